#!/bin/bash
# rclpy's EventsExecutor: spin() does not end on SIGINT, as it does in the other executors.
#
# Versions: rclpy 9.1.2 (Kilted), Python 3.11.
# Expected: KeyboardInterrupt or ExternalShutdownException out of spin(), so that the executors can be exchanged.
# Happens: rclpy's signal handler shuts the context down, and spin() waits on: the process has to be killed.
# Seen:
#   SingleThreadedExecutor: spin ended (KeyboardInterrupt)
#   EventsExecutor: still spinning four seconds after SIGINT
# To do: a handler of one's own that calls executor.shutdown(), or another executor.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install ros-rclpy==9.1.2 ros-rmw-fastrtps-cpp==9.3.3
export AMENT_PREFIX_PATH=$folder/venv ROS_LOG_DIR=$folder ROS_DOMAIN_ID=90
cat > "$folder/spin.py" <<'PY'
import os
import signal
import sys
import threading

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.experimental.events_executor import EventsExecutor

rclpy.init()
executor = {each.__name__: each for each in (SingleThreadedExecutor, EventsExecutor)}[sys.argv[1]]()
executor.add_node(rclpy.create_node("spinning"))


def say(text):
    print(f"{sys.argv[1]}: {text}", flush=True)
    os._exit(0)


threading.Timer(2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
threading.Timer(6, lambda: say("still spinning four seconds after SIGINT")).start()
try:
    executor.spin()
    say("spin ended")
except BaseException as error:
    say(f"spin ended ({type(error).__name__})")
PY
for name in SingleThreadedExecutor EventsExecutor; do
    "$folder/venv/bin/python" "$folder/spin.py" "$name"
done | tee "$folder/seen"
grep -q "SingleThreadedExecutor: spin ended" "$folder/seen"
grep -qxF "EventsExecutor: still spinning four seconds after SIGINT" "$folder/seen"
