#!/bin/bash
# Fast DDS: two processes that share the network but not /dev/shm find each other, and no message arrives.
#
# Versions: rclpy 9.1.2 (Kilted), rmw_fastrtps_cpp 9.3.3 with Fast DDS 3.2.3, Python 3.11, Linux. Needs unshare with the
#   right to mount (root, or user namespaces).
# Expected: shared memory that cannot be reached is not used: UDP, over which they found each other, carries the data.
# Happens: both have the same host identity, so each sends to the other's shared memory alone. Endpoints match, the
#   subscription is counted, publish() succeeds, and not even a String arrives; nothing is logged. This is what
#   two containers with the host's network and a /dev/shm of their own do. With the built-in transports set to UDPv4
#   alone everything arrives.
# Seen:
#   as they are: 1 subscription matched, 0 of 20 messages arrived
#   FASTDDS_BUILTIN_TRANSPORTS=UDPv4: 1 subscription matched, 20 of 20 messages arrived
# To do: containers share /dev/shm (--ipc=host), or every process gets a profile without shared memory.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install ros-rclpy==9.1.2 ros-rmw-fastrtps-cpp==9.3.3 ros-std-msgs==5.5.1
export AMENT_PREFIX_PATH=$folder/venv ROS_LOG_DIR=$folder ROS_DOMAIN_ID=87
export RMW_IMPLEMENTATION=rmw_fastrtps_cpp
cat > "$folder/listen.py" <<'PY'
import sys
import time

import rclpy
from std_msgs.msg import String

rclpy.init()
node, heard = rclpy.create_node("listener"), []
node.create_subscription(String, "words", lambda message: heard.append(message.data), 100)
end = time.monotonic() + 40
while time.monotonic() < end and "end" not in heard and not node.get_publishers_info_by_topic("words"):
    rclpy.spin_once(node, timeout_sec=0.1)
end = time.monotonic() + 12
while time.monotonic() < end and len(heard) < 20:
    rclpy.spin_once(node, timeout_sec=0.1)
print(len(heard), file=open(sys.argv[1], "w"))
PY
cat > "$folder/speak.py" <<'PY'
import time

import rclpy
from std_msgs.msg import String

rclpy.init()
node = rclpy.create_node("speaker")
publisher = node.create_publisher(String, "words", 100)
end = time.monotonic() + 40
while not publisher.get_subscription_count() and time.monotonic() < end:
    time.sleep(0.1)
time.sleep(1)
print(publisher.get_subscription_count(), flush=True)
for number in range(20):
    publisher.publish(String(data=str(number)))
    time.sleep(0.1)
time.sleep(1)
PY
try() {
    unshare --mount bash -c 'mount -t tmpfs tmpfs /dev/shm; exec "$@"' _ \
        "$folder/venv/bin/python" "$folder/listen.py" "$folder/heard" &
    local matched
    matched=$("$folder/venv/bin/python" "$folder/speak.py")
    wait $!
    echo "$1: $matched subscription matched, $(cat "$folder/heard") of 20 messages arrived"
}
{
    try "as they are"
    FASTDDS_BUILTIN_TRANSPORTS=UDPv4 try "FASTDDS_BUILTIN_TRANSPORTS=UDPv4"
} | tee "$folder/seen"
grep -qxF "as they are: 1 subscription matched, 0 of 20 messages arrived" "$folder/seen"
grep -qxF "FASTDDS_BUILTIN_TRANSPORTS=UDPv4: 1 subscription matched, 20 of 20 messages arrived" "$folder/seen"
