#!/bin/bash
# rclpy: the same message, serialised twice, gives different bytes.
#
# Versions: rclpy 9.1.2 (Kilted), rmw_fastrtps_cpp 9.3.3, sensor_msgs 5.5.1, Python 3.11, Linux.
# Expected: serialize_message is a function of the message: equal messages give equal bytes, so that bags can be
#   compared, hashed and kept once.
# Happens: CDR aligns numbers, and the bytes left between them are whatever the buffer held before. For an Image that
#   is the byte behind the frame's name and the one behind `is_bigendian`: how many there are depends on the length of
#   the strings before. Lengths and values are the same, and deserialised all are equal.
# Seen:
#   50 serialisations, 19 variants, all of the same length; they differ at bytes 43, 63
#   deserialised and compared: equal
# To do: compare and hash messages after deserialising them, or field by field; never bags byte by byte.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install ros-rclpy==9.1.2 ros-rmw-fastrtps-cpp==9.3.3 ros-sensor-msgs==5.5.1
export AMENT_PREFIX_PATH=$folder/venv ROS_LOG_DIR=$folder RMW_IMPLEMENTATION=rmw_fastrtps_cpp
cat > "$folder/twice.py" <<'PY'
import array

from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CompressedImage, Image


def image():
    message = Image(height=24, width=32, step=128, encoding="32FC1", data=array.array("B", bytes(24 * 128)))
    message.header.frame_id = "camera_color_optical_frame"
    return message


variants = set()
for number in range(1, 51):
    # A program that serialises other messages, too.
    serialize_message(CompressedImage(data=array.array("B", bytes([number]) * 3100)))
    variants.add(bytes(serialize_message(image())))
lengths = {len(variant) for variant in variants}
first = next(iter(variants))
places = sorted({at for variant in variants for at, (a, b) in enumerate(zip(first, variant)) if a != b})
print(
    f"50 serialisations, {len(variants)} variants, {'all of the same length' if len(lengths) == 1 else lengths}; "
    f"they differ at bytes {', '.join(map(str, places))}"
)
equal = all(deserialize_message(variant, Image) == image() for variant in variants)
print(f"deserialised and compared: {'equal' if equal else 'different'}")
PY
"$folder/venv/bin/python" -u "$folder/twice.py" | tee "$folder/seen"
grep -Eq "^50 serialisations, ([2-9]|[1-9][0-9]+) variants, all of the same length; they differ at bytes" "$folder/seen"
grep -q "^deserialised and compared: equal" "$folder/seen"
