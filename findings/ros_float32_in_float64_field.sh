#!/bin/bash
# A numpy.float32 in a float64 field of a ROS 2 message is sent as another number, and numpy's True as False.
#
# Versions: rclpy 9.1.2 (Kilted), std_msgs 5.5.1, numpy 2.4.2, Python 3.11.
# Expected: 0.1, as Python's float() of it gives; or an error.
# Happens: the value is read as if its memory were a float64: 5.1e-315 arrives, without a word. numpy.float64 is
#   a float and is right; numpy.int64 is wrong too. A bool field is true where the value is Python's own True: what
#   array.any() or a comparison of numpy's numbers gives is not, and neither is 1. ROS_PYTHON_CHECK_FIELDS=1 turns it
#   into an AssertionError, but it is not set by default.
# Seen:
#   numpy.float32 0.1 arrives as 5.122630465e-315
#   numpy.int64 3 arrives as 1.5e-323
#   numpy.bool True arrives as False
#   with ROS_PYTHON_CHECK_FIELDS=1: AssertionError The 'data' field must be of type 'float', or 'bool'
# To do: float(value) or bool(value) before it goes into a message.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install ros-rclpy==9.1.2 ros-rmw-fastrtps-cpp==9.3.3 ros-std-msgs==5.5.1 numpy==2.4.2
export AMENT_PREFIX_PATH=$folder/venv
cat > "$folder/send.py" <<'PY'
import numpy as np
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Bool, Float64

for kind, value in ((Float64, np.float32(0.1)), (Float64, np.int64(3)), (Float64, np.float64(0.1)), (Bool, np.True_)):
    name = f"numpy.{type(value).__name__}"
    try:
        arrived = deserialize_message(serialize_message(kind(data=value)), kind).data
        print(name, value, "arrives as", arrived)
    except AssertionError as error:
        print(name, value, "AssertionError", error)
PY
said=$("$folder/venv/bin/python" "$folder/send.py")
echo "$said"
grep -q "float32 0.1 arrives as 5.12.*e-315" <<< "$said"
grep -q "float64 0.1 arrives as 0.1" <<< "$said"
grep -qxF "numpy.bool True arrives as False" <<< "$said"
ROS_PYTHON_CHECK_FIELDS=1 "$folder/venv/bin/python" "$folder/send.py" | tee "$folder/checked"
grep -q "float32 0.1 AssertionError" "$folder/checked"
grep -q "numpy.bool True AssertionError" "$folder/checked"
