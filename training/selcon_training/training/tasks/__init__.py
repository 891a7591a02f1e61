"""What a training step does, one file per kind of supervision."""
