"""`selcon doctor`: what on this machine, and in the running ROS graph, keeps the node from working well."""
