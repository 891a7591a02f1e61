"""Bags of rosbag2: `selcon ground-bag`, and what the demo writes."""
