#!/bin/bash
# Fast DDS: the shared memory of a process that was killed is not freed by the process that is started in its place.
#
# Versions: rclpy 9.1.2 (Kilted), rmw_fastrtps_cpp 9.3.3 with Fast DDS 3.2.3, Python 3.11, Linux.
# Expected: a new participant of the same domain frees segments whose owner is gone, as it has to look at them.
# Happens: each SIGKILL leaves its segment in /dev/shm, and starting the process again adds one. With
#   segments of a size that images need (64 MB) and Docker's usual /dev/shm of 64 MB, the first restart has none left.
# Seen:
#   segments left after 1, 2 and 3 kills: 1 2 3
# To do: stop with SIGINT or SIGTERM; `fastdds shm clean` frees them, and so does a restart of the container.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install ros-rclpy==9.1.2 ros-rmw-fastrtps-cpp==9.3.3 ros-std-msgs==5.5.1
export AMENT_PREFIX_PATH=$folder/venv ROS_LOG_DIR=$folder ROS_DOMAIN_ID=88 ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
export RMW_IMPLEMENTATION=rmw_fastrtps_cpp
cat > "$folder/node.py" <<'PY'
import os
import signal

import rclpy
from std_msgs.msg import String

rclpy.init()
node = rclpy.create_node("killed")
publisher = node.create_publisher(String, "words", 10)
publisher.publish(String(data="begun"))
rclpy.spin_once(node, timeout_sec=0.5)
os.kill(os.getpid(), signal.SIGKILL)
PY
segments() { find /dev/shm -maxdepth 1 -name 'fastdds_*' ! -name '*_el' ! -name 'fastdds_port*' | sort; }
segments > "$folder/before"
found=""
for kills in 1 2 3; do
    "$folder/venv/bin/python" "$folder/node.py" || true
    found+=" $(segments | comm -13 "$folder/before" - | wc -l)"
done 2> /dev/null
echo "segments left after 1, 2 and 3 kills:$found"
segments | comm -13 "$folder/before" - | while read -r left; do rm -f "$left" "${left}_el"; done
[ "$found" = " 1 2 3" ]
