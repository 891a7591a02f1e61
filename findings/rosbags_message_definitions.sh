#!/bin/bash
# rosbags: the type store of a ROS 2 distribution writes message definitions of ROS 1 unless it is told otherwise.
#
# Versions: rosbags 0.11.9, Python 3.11.
# Expected: get_typestore(Stores.ROS2_JAZZY) knows that it is ROS 2, and generate_msgdef writes ROS 2 text.
# Happens: ros_version is 1 by default: stamps are of the built-in type `time`, which ROS 2 does not have.
#   A schema made of that cannot be parsed by readers of ROS 2's definitions.
# Seen:
#   by default: time stamp
#   with ros_version=2: builtin_interfaces/Time stamp
# To do: ros_version=2.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install rosbags==0.11.9
"$folder/venv/bin/python" - <<'PY' | tee "$folder/seen"
from rosbags.typesys import Stores, get_typestore

store = get_typestore(Stores.ROS2_JAZZY)
print("by default:", store.generate_msgdef("std_msgs/msg/Header")[0].splitlines()[0])
print("with ros_version=2:", store.generate_msgdef("std_msgs/msg/Header", ros_version=2)[0].splitlines()[0])
PY
grep -qxF "by default: time stamp" "$folder/seen"
grep -qxF "with ros_version=2: builtin_interfaces/Time stamp" "$folder/seen"
