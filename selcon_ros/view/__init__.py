"""The live page of `selcon view`: sources make frames, and the page in a browser shows them."""
