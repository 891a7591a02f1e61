"""One file per image format: what a file says about itself before it is decoded."""
