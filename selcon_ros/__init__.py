"""Say which part of an object affords an action, and where to grasp it: the paper's network on ROS 2."""

__version__ = "0.1.0"
