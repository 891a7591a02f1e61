#!/bin/bash
# rclpy: two parameters that are declared with the same ParameterDescriptor both have the type of the second one.
#
# Versions: rclpy 9.1.2 (Kilted), Python 3.11.
# Expected: as the documentation of declare_parameter says, "the name and type in the given descriptor is ignored": one
#   descriptor, say of a description or a range, can be given for several parameters. rclcpp copies it.
# Happens: the object is kept and written to: each declaration puts its name and its type in, over those of the one
#   before. So the first parameter takes values of the second one's type, and not those of its own: ros2 param set is
#   told "Wrong parameter type" for what was right at the start, and a number can be set to a text, without a word.
#   Where both have one type, as where a range is shared, describe_parameter gives the second one's name for both.
# Seen (of retries, declared as 3, and camera, declared as "front"):
#   one descriptor: retries is described as camera, STRING; set to 5: False; set to "many": True; is then 'many'
#   two descriptors: retries is described as retries, INTEGER; set to 5: True; set to "many": False; is then 5
# To do: a new ParameterDescriptor for each parameter, or a copy.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install ros-rclpy==9.1.2 ros-rmw-fastrtps-cpp==9.3.3
export AMENT_PREFIX_PATH=$folder/venv ROS_LOG_DIR=$folder ROS_DOMAIN_ID=89 ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
cat > "$folder/node.py" <<'PY'
from copy import copy

import rclpy
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.parameter import Parameter

rclpy.init()
about = ParameterDescriptor(description="see the manual")
for how, other in (("one descriptor", about), ("two descriptors", copy(about))):
    node = rclpy.create_node(how.replace(" ", "_"))
    node.declare_parameter("retries", 3, about)
    node.declare_parameter("camera", "front", other)
    found = node.describe_parameter("retries")
    described = f"{found.name}, {Parameter.Type(found.type).name}"
    (number,) = node.set_parameters([Parameter("retries", value=5)])
    (text,) = node.set_parameters([Parameter("retries", value="many")])
    now = node.get_parameter("retries").value
    print(f"{how}: retries is described as {described}; ", end="")
    print(f'set to 5: {number.successful}; set to "many": {text.successful}; is then {now!r}')
PY
said=$("$folder/venv/bin/python" "$folder/node.py")
echo "$said"
[ "$said" = "$(sed -n 's/^#   \(one descriptor\|two descriptors\):/\1:/p' "$0")" ]
