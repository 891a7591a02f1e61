#!/bin/bash
# mcap-ros2-support: a char above 127 comes out negative, and a negative duration as 136 years.
#
# Versions: mcap-ros2-support 0.6.0, mcap 1.6.0, rosbags 0.11.9, numpy 2.2.6, Python 3.11.
# Expected: the numbers that were written, as rosbags reads them from the same file.
# Happens, without a word:
#   - char is read as int8. In ROS 2 it is uint8: rosidl_adapter maps it so, rclpy calls it so, and rosbags reads it so.
#   - Where a schema does not hold the definition of builtin_interfaces/Duration or Time, the reader has its own, and in
#     that sec is uint32 instead of int32. The example in mcap's own documentation leaves Time out;
#     what rosbags writes holds both. The same -1.7 s from the same bytes are right in one file and wrong in the other.
# Seen (rosbags; mcap-ros2-support):
#   std_msgs/msg/Char: data 200; data -56
#   Duration, in the schema: sec -2 nanosec 300000000; sec -2 nanosec 300000000
#   Duration, not in the schema: sec -2 nanosec 300000000; sec 4294967294 nanosec 300000000
# To do: take char modulo 256, and seconds from 2**31 on less 2**32. Write schemas with all definitions in them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install mcap-ros2-support==0.6.0 mcap==1.6.0 rosbags==0.11.9 numpy==2.2.6
cat > "$folder/read.py" <<'PY'
import sys

from mcap.reader import make_reader
from mcap.writer import Writer
from mcap_ros2.decoder import DecoderFactory
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

store = get_typestore(Stores.ROS2_JAZZY)
store.register(get_types_from_msg("builtin_interfaces/Duration age", "cup_msgs/msg/Cup"))
definition = store.generate_msgdef("cup_msgs/msg/Cup", ros_version=2)[0]
char = store.types["std_msgs/msg/Char"](data=200)
age = store.types["builtin_interfaces/msg/Duration"](sec=-2, nanosec=300000000)
cup = store.types["cup_msgs/msg/Cup"](age=age)
char_definition = store.generate_msgdef("std_msgs/msg/Char", ros_version=2)[0]
rows = [
    ("std_msgs/msg/Char", char, char_definition),
    ("Duration, in the schema", cup, definition),
    ("Duration, not in the schema", cup, definition.splitlines()[0] + "\n"),
]


def numbers(message):
    fields = ("data",) if hasattr(message, "data") else ("sec", "nanosec")
    holder = getattr(message, "age", message)
    return " ".join(f"{field} {getattr(holder, field)}" for field in fields)


for name, message, text in rows:
    msgtype = message.__msgtype__
    with open(sys.argv[1], "wb") as file:
        writer = Writer(file)
        writer.start(profile="ros2")
        schema = writer.register_schema(name=msgtype, encoding="ros2msg", data=text.encode())
        channel = writer.register_channel(topic="/topic", message_encoding="cdr", schema_id=schema)
        data = bytes(store.serialize_cdr(message, msgtype))
        writer.add_message(channel_id=channel, log_time=1, publish_time=1, data=data)
        writer.finish()
    with open(sys.argv[1], "rb") as file:
        ((_, _, raw, decoded),) = make_reader(file, decoder_factories=[DecoderFactory()]).iter_decoded_messages()
    print(f"{name}: {numbers(store.deserialize_cdr(raw.data, msgtype))}; {numbers(decoded)}")
PY
"$folder/venv/bin/python" "$folder/read.py" "$folder/cups.mcap" | tee "$folder/seen"
grep -qxF "std_msgs/msg/Char: data 200; data -56" "$folder/seen"
grep -qxF "Duration, in the schema: sec -2 nanosec 300000000; sec -2 nanosec 300000000" "$folder/seen"
grep -qxF "Duration, not in the schema: sec -2 nanosec 300000000; sec 4294967294 nanosec 300000000" "$folder/seen"
