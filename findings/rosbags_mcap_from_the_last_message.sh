#!/bin/bash
# rosbags before 0.11.6: an mcap file that is read from the moment of a chunk's last message on lacks that message.
#
# Versions: rosbags 0.11.5, 0.11.6 and 0.11.9, numpy 2.2.6, Python 3.11, Linux.
# Expected: messages(connections, start) yields what was received at `start` or later, as its documentation says.
# Happens: in an mcap file, a chunk whose last message was received exactly at `start` is passed over, with all messages
#   of that moment. A program that reads a bag in stretches, each from the first message it still lacks, loses them, and
#   nothing tells of it. A bag of sqlite3 with the same messages is read in full, and so are both from 0.11.6 on.
# Seen:
#   0.11.5 SQLITE3 all: 1 2 3 4 5 6 7 8 9 10; from 9: 9 10; from 10: 10
#   0.11.5 MCAP all: 1 2 3 4 5 6 7 8 9 10; from 9: 9 10; from 10: none
#   0.11.6 SQLITE3 all: 1 2 3 4 5 6 7 8 9 10; from 9: 9 10; from 10: 10
#   0.11.6 MCAP all: 1 2 3 4 5 6 7 8 9 10; from 9: 9 10; from 10: 10
#   0.11.9 SQLITE3 all: 1 2 3 4 5 6 7 8 9 10; from 9: 9 10; from 10: 10
#   0.11.9 MCAP all: 1 2 3 4 5 6 7 8 9 10; from 9: 9 10; from 10: 10
# To do: rosbags from 0.11.6 on; with an older one, start a nanosecond earlier and leave out what is too early.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/window.py" <<'PY'
import sys
from importlib.metadata import version
from pathlib import Path

from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

store = get_typestore(Stores.ROS2_JAZZY)
text = store.types["std_msgs/msg/String"]
for plugin in (StoragePlugin.SQLITE3, StoragePlugin.MCAP):
    bag = Path(sys.argv[1]) / f"{version('rosbags')}_{plugin.name}"
    with Writer(bag, version=9, storage_plugin=plugin) as writer:
        topics = [
            writer.add_connection(f"/{name}", "std_msgs/msg/String", typestore=store) for name in "ab"
        ]
        for time in range(1, 11):
            for topic in topics:
                data = store.serialize_cdr(text(data=str(time)), "std_msgs/msg/String")
                writer.write(topic, time, data)
    with AnyReader([bag]) as reader:
        chosen = [each for each in reader.connections if each.topic == "/a"]
        found = {
            name: " ".join(str(time) for _, time, _ in reader.messages(chosen, *bounds)) or "none"
            for name, bounds in {"all": (), "from 9": (9,), "from 10": (10,)}.items()
        }
    print(version("rosbags"), plugin.name, "; ".join(f"{name}: {times}" for name, times in found.items()))
PY
for release in 0.11.5 0.11.6 0.11.9; do
    "${PYTHON:-python3}" -m venv --clear "$folder/venv"
    "$folder/venv/bin/pip" -q install rosbags==$release numpy==2.2.6
    "$folder/venv/bin/python" "$folder/window.py" "$folder" | tee -a "$folder/seen"
done
all="all: 1 2 3 4 5 6 7 8 9 10; from 9: 9 10; from 10:"
grep -qxF "0.11.5 MCAP $all none" "$folder/seen"
for good in "0.11.5 SQLITE3" "0.11.6 SQLITE3" "0.11.6 MCAP" "0.11.9 SQLITE3" "0.11.9 MCAP"; do
    grep -qxF "$good $all 10" "$folder/seen"
done
