"""Adapting a bundle to photos with masks: `selcon adapt`."""
