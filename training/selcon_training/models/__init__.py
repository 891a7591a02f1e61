"""The networks, their parts and their checkpoints."""
