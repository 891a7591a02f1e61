"""Say which part of an object affords an action, and where to grasp it: the paper's network on ROS 2."""

import os

__version__ = "0.1.0"

# ONNX Runtime from 1.29 on reports its use to its maker once it is imported, from a thread of its own, and
# keeps a device id and a database in the user's cache. No module of ours imports it before this line has run,
# and processes that we start inherit it. Who sets the variable himself, to 0 for example, keeps his choice.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# OpenCV writes lines of its own about a picture that it cannot decode, for which our message stands.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
