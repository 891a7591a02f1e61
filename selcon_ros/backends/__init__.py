"""Inference engines, one file each, imported when asked for."""
