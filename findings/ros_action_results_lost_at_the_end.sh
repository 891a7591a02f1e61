#!/bin/bash
# rclpy: an action server that ends its executor when its last goal has returned loses results, without a word.
#
# Versions: rclpy 9.1.2 (Kilted), rmw_fastrtps_cpp 9.3.3, test_msgs 2.3.0, Python 3.11, Linux.
# Expected: once the execute callbacks of all goals have returned, their results are on their way: a server may end.
# Happens: the response to a client's request for the result is sent by a task that the executor runs later. A server that
#   ends its executor when its last execute callback has returned loses results, and neither end says so.
# Seen:
#   at_once: 50 goals have returned, 0 results were heard
#   after_a_second: 50 goals have returned, 50 results were heard
# To do: let the executor spin on for a moment after the last goal has ended.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install ros-rclpy==9.1.2 ros-rmw-fastrtps-cpp==9.3.3 ros-test-msgs==2.3.0
export AMENT_PREFIX_PATH=$folder/venv ROS_LOG_DIR=$folder ROS_DOMAIN_ID=92 ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
export RMW_IMPLEMENTATION=rmw_fastrtps_cpp
cat > "$folder/end.py" <<'PY'
import os
import threading
import time

import rclpy
from rclpy.action import ActionClient, ActionServer
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from rclpy.task import Future
from test_msgs.action import Fibonacci

rclpy.init()
GOALS, QOS = 50, QoSProfile(depth=100)
for name, pause in (("at_once", 0.0), ("after_a_second", 1.0)):
    server_node, client_node = rclpy.create_node(f"server_{name}"), rclpy.create_node(f"client_{name}")
    executor, other = SingleThreadedExecutor(), SingleThreadedExecutor()
    release, returned, finished = [], [], Future()

    async def execute(goal):
        waiting = Future(executor=executor)
        waiting.add_done_callback(lambda _: None)
        release.append(waiting)
        await waiting
        goal.succeed()
        returned.append(goal)
        if len(returned) == GOALS and not pause:
            finished.set_result(None)
        return Fibonacci.Result()

    server = ActionServer(
        server_node, Fibonacci, f"count_{name}", execute, callback_group=ReentrantCallbackGroup(),
        goal_service_qos_profile=QOS, result_service_qos_profile=QOS,
    )
    client = ActionClient(
        client_node, Fibonacci, f"count_{name}", goal_service_qos_profile=QOS, result_service_qos_profile=QOS
    )
    spinning = threading.Thread(target=executor.spin_until_future_complete, args=(finished,), daemon=True)
    executor.add_node(server_node)
    other.add_node(client_node)
    spinning.start()
    threading.Thread(target=other.spin, daemon=True).start()
    assert client.wait_for_server(10)
    time.sleep(1)
    accepted = [client.send_goal_async(Fibonacci.Goal()) for _ in range(GOALS)]
    while not all(each.done() for each in accepted) or len(release) < GOALS:
        time.sleep(0.05)
    results = [each.result().get_result_async() for each in accepted]
    time.sleep(2)
    for each in release:
        each.set_result(None)
    while len(returned) < GOALS:
        time.sleep(0.01)
    if pause:
        time.sleep(pause)
        finished.set_result(None)
    spinning.join()
    time.sleep(3)
    heard = sum(each.done() for each in results)
    print(f"{name}: {len(returned)} goals have returned, {heard} results were heard", flush=True)
os._exit(0)
PY
"$folder/venv/bin/python" -u "$folder/end.py" | tee "$folder/seen"
grep -q "^after_a_second: 50 goals have returned, 50 results were heard" "$folder/seen"
grep -q "^at_once: 50 goals have returned, 0 results were heard" "$folder/seen"
