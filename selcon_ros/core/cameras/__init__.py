"""Cameras: calibration and distortion, and the points of a depth image."""
