"""The ROS 2 shell: a node that turns camera messages and an action into heatmaps and grasp points."""
