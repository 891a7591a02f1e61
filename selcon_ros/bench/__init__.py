"""Measurements of speed, on the machine at hand. Nothing here decides whether a test passes."""
