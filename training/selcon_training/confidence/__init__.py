"""When a bundle says that an action is possible: evidence, the curve fitted on it, and its false rate."""
