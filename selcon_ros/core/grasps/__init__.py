"""From a heatmap and depth to grasp points."""
