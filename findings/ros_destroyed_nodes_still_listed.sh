#!/bin/bash
# rclpy: a destroyed node stays in the ROS graph if it is a lifecycle node, or its action server was not destroyed first.
#
# Versions: rclpy 9.1.2 (Kilted), rmw_fastrtps_cpp 9.3.3, test_msgs 2.3.0, Python 3.11, Linux.
# Expected: node.destroy_node() takes away what the node has made: it does so for publishers, subscriptions, services,
#   clients and timers. An action server is made with the node as well.
# Happens: not so for an action server, nor for the state machine of a lifecycle node, which has services of its own. The
#   node stays listed until these objects themselves are collected, which reference cycles put off (a server's callback is
#   mostly a method of what keeps the server). A node that is made again in one process then sees a second one of its name.
# Seen:
#   no_server: listed True, after destroy_node False, after garbage collection False
#   server_destroyed: listed True, after destroy_node False, after garbage collection False
#   server_left: listed True, after destroy_node True, after garbage collection False
#   lifecycle: listed True, after destroy_node True, after garbage collection False
# To do: call ActionServer.destroy() before node.destroy_node(); of a lifecycle node there is no public call: let go of every
#   reference to it, and collect.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install ros-rclpy==9.1.2 ros-rmw-fastrtps-cpp==9.3.3 ros-test-msgs==2.3.0
export AMENT_PREFIX_PATH=$folder/venv ROS_LOG_DIR=$folder ROS_DOMAIN_ID=89 ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
export RMW_IMPLEMENTATION=rmw_fastrtps_cpp
cat > "$folder/node.py" <<'PY'
import gc
import time

import rclpy
from rclpy.action import ActionServer
from rclpy.lifecycle import LifecycleNode
from test_msgs.action import Fibonacci

rclpy.init()
watcher = rclpy.create_node("watcher")


def listed(name):
    return name in watcher.get_node_names()


for name, tidy in (("no_server", None), ("server_destroyed", True), ("server_left", False), ("lifecycle", None)):
    node = LifecycleNode(name) if name == "lifecycle" else rclpy.create_node(name)
    server = None
    if tidy is not None:
        server = ActionServer(node, Fibonacci, "count", lambda goal: Fibonacci.Result())
    time.sleep(1)
    before = listed(name)
    if tidy:
        server.destroy()
    node.destroy_node()
    time.sleep(3)
    after = listed(name)
    del node, server
    gc.collect()
    time.sleep(3)
    print(f"{name}: listed {before}, after destroy_node {after}, after garbage collection {listed(name)}")
watcher.destroy_node()
rclpy.shutdown()
PY
"$folder/venv/bin/python" "$folder/node.py" | tee "$folder/seen"
grep -q "server_destroyed: listed True, after destroy_node False" "$folder/seen"
grep -q "server_left: listed True, after destroy_node True" "$folder/seen"
grep -q "lifecycle: listed True, after destroy_node True" "$folder/seen"
