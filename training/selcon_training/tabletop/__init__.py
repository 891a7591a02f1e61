"""The tabletop world: rendered scenes with exact truth, and the small encoders trained on them."""
