"""Running a training: factory, trainer, step, validation, and what a run leaves on disk."""
