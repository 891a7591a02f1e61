#!/bin/bash
# rclpy: a QoS override for one topic changes the profile object that was given, and so the topics that share it.
#
# Versions: rclpy 9.1.2 (Kilted), rmw_fastrtps_cpp 9.3.3, Python 3.11.
# Expected: what stands under qos_overrides./left.subscription holds for the subscription of /left alone. The profile
#   given in the code is only its default; rclcpp copies it.
# Happens: create_subscription and create_publisher write the overrides into the QoSProfile they are given. Where
#   that is one of rclpy's presets, such as qos_profile_sensor_data, the preset is changed for the whole process, every
#   node in it. Later publishers and subscriptions are made with it, even without overriding options. A camera that is
#   best effort is then not heard on another topic (a warning says that the policies do not fit, but not why). An
#   override to best effort makes other topics lossy, and no warning comes.
# Seen:
#   no override: before: BEST_EFFORT, depth 5; after: BEST_EFFORT, depth 5; right is BEST_EFFORT; heard on right: yes
#   override: before: BEST_EFFORT, depth 5; after: RELIABLE, depth 50; right is RELIABLE; heard on right: no
# To do: give a copy (copy.copy(profile)) wherever there are overriding options.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install ros-rclpy==9.1.2 ros-rmw-fastrtps-cpp==9.3.3 ros-std-msgs==5.5.1
export AMENT_PREFIX_PATH=$folder/venv ROS_LOG_DIR=$folder ROS_DOMAIN_ID=89 ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
export RMW_IMPLEMENTATION=rmw_fastrtps_cpp
cat > "$folder/node.py" <<'PY'
import sys
import time

import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from rclpy.qos_overriding_options import QoSOverridingOptions
from std_msgs.msg import String


def preset():
    return f"{qos_profile_sensor_data.reliability.name}, depth {qos_profile_sensor_data.depth}"


rclpy.init(args=sys.argv)
node, heard = rclpy.create_node("robot"), []
before = preset()
options = QoSOverridingOptions.with_default_policies()
node.create_subscription(String, "left", print, qos_profile_sensor_data, qos_overriding_options=options)
node.create_subscription(String, "right", heard.append, qos_profile_sensor_data)
camera = node.create_publisher(String, "right", QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT))
end = time.monotonic() + 5
while not heard and time.monotonic() < end:
    camera.publish(String(data="picture"))
    rclpy.spin_once(node, timeout_sec=0.1)
(right,) = node.get_subscriptions_info_by_topic("/right")
reliability = right.qos_profile.reliability.name
answer = "yes" if heard else "no"
print(f"before: {before}; after: {preset()}; right is {reliability}; heard on right: {answer}")
PY
left=qos_overrides./left.subscription
override=(--ros-args -p "$left.reliability:=reliable" -p "$left.depth:=50")
said=$(
    echo "no override: $("$folder/venv/bin/python" "$folder/node.py")"
    echo "override: $("$folder/venv/bin/python" "$folder/node.py" "${override[@]}")"
)
echo "$said"
[ "$said" = "$(sed -n 's/^#   \(no override\|override\): before/\1: before/p' "$0")" ]
