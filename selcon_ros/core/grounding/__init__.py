"""From a bundle and an image to the heatmap of an action."""
