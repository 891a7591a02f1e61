#!/bin/bash
# rclpy: a coroutine that awaits a Future goes on only when something else happens, if another thread completes the Future.
#
# Versions: rclpy 9.1.2 (Kilted), rmw_fastrtps_cpp 9.3.3, std_srvs 5.5.1, Python 3.11, Linux.
# Expected: set_result() of a Future that belongs to the executor wakes the executor, which then runs the coroutine on:
#   a service callback `async def` that awaits a worker's result answers when the worker is done.
# Happens: the executor goes on waiting for messages. The answer goes out when any other callback (a timer, a message)
#   wakes it, in a quiet node never. With any done callback, even one that does nothing, it goes on at once, since
#   done callbacks are scheduled in the executor.
# Seen:
#   plain: not answered within 8 s; after a wake-up of the executor answered
#   with_callback: answered, about as late as the work took
# To do: future.add_done_callback(lambda _: None) before awaiting it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install ros-rclpy==9.1.2 ros-rmw-fastrtps-cpp==9.3.3 ros-std-srvs==5.5.1
export AMENT_PREFIX_PATH=$folder/venv ROS_LOG_DIR=$folder ROS_DOMAIN_ID=91 ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
export RMW_IMPLEMENTATION=rmw_fastrtps_cpp
cat > "$folder/await.py" <<'PY'
import os
import threading
import time

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.task import Future
from std_srvs.srv import Trigger

rclpy.init()
WORK = 0.5
for name, called_back in (("plain", False), ("with_callback", True)):
    server, client_node = rclpy.create_node(f"server_{name}"), rclpy.create_node(f"client_{name}")
    executor, other = SingleThreadedExecutor(), SingleThreadedExecutor()

    async def answer(request, response):
        future = Future(executor=executor)
        if called_back:
            future.add_done_callback(lambda _: None)
        threading.Timer(WORK, future.set_result, [True]).start()
        response.success = await future
        return response

    server.create_service(Trigger, f"work_{name}", answer)
    client = client_node.create_client(Trigger, f"work_{name}")
    for each, node in ((executor, server), (other, client_node)):
        each.add_node(node)
        threading.Thread(target=each.spin, daemon=True).start()
    assert client.wait_for_service(10)
    time.sleep(2)
    start = time.monotonic()
    future = client.call_async(Trigger.Request())
    while not future.done() and time.monotonic() - start < 8:
        time.sleep(0.01)
    seconds = time.monotonic() - start
    if not future.done():
        executor.wake()
        while not future.done() and time.monotonic() - start < 16:
            time.sleep(0.01)
        told = "answered" if future.done() else "not answered"
        print(f"{name}: not answered within 8 s; after a wake-up of the executor {told}")
    else:
        print(f"{name}: answered, {'about' if seconds < WORK + 1 else 'more than'} as late as the work took")
os._exit(0)
PY
"$folder/venv/bin/python" -u "$folder/await.py" | tee "$folder/seen"
grep -q "^plain: not answered within 8 s; after a wake-up of the executor answered" "$folder/seen"
grep -q "^with_callback: answered, about" "$folder/seen"
