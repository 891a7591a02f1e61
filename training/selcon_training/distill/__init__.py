"""Teaching a small convolutional network what a bundle answers, on pictures without labels."""
