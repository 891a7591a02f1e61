"""How part discovery behaves on a trained run: questions that the paper leaves open."""
