"""What a network sees in one sample, step by step: affinity, part discovery, the pixel loss's set."""
