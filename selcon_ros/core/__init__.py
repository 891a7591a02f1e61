"""Grounding and grasping on numpy arrays: needs numpy and OpenCV, nothing else."""
