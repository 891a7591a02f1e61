"""What training minimises: the paper's weakly supervised objective, and losses against truth maps."""
