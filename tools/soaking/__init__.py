"""A long run of the node: the robot around it, and what its process uses."""
