#!/bin/bash
# rclpy: of twenty requests that a client sends to a service at once, ten are answered, and nothing tells of the others.
#
# Versions: rclpy 9.1.2 (Kilted), rmw_fastrtps_cpp 9.3.3, std_srvs 5.5.1, Python 3.11, Linux.
# Expected: services are reliable: a request is answered, or the client hears of an error.
# Happens: the default QoS of services keeps ten requests (keep last). While the server's thread is at work, the newest
#   ten replace the older ones. Their futures never become done; there is no event, no warning and no exception.
# Seen:
#   default: 10 of 20 requests answered: 10 11 12 13 14 15 16 17 18 19
#   deep: 20 of 20 requests answered: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19
# To do: give server and client a QoSProfile with the depth that a burst needs (both ends count), and every request a
#   time limit.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install ros-rclpy==9.1.2 ros-rmw-fastrtps-cpp==9.3.3 ros-std-srvs==5.5.1
export AMENT_PREFIX_PATH=$folder/venv ROS_LOG_DIR=$folder ROS_DOMAIN_ID=90 ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
export RMW_IMPLEMENTATION=rmw_fastrtps_cpp
cat > "$folder/burst.py" <<'PY'
import os
import threading
import time

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, qos_profile_services_default
from std_srvs.srv import Trigger

rclpy.init()


def slow(request, response):
    time.sleep(0.05)
    response.success = True
    return response


for name, qos in (("default", qos_profile_services_default), ("deep", QoSProfile(depth=100))):
    server, client_node = rclpy.create_node(f"server_{name}"), rclpy.create_node(f"client_{name}")
    server.create_service(Trigger, f"work_{name}", slow, qos_profile=qos)
    client = client_node.create_client(Trigger, f"work_{name}", qos_profile=qos)
    executors = [SingleThreadedExecutor() for _ in range(2)]
    for executor, node in zip(executors, (server, client_node)):
        executor.add_node(node)
        threading.Thread(target=executor.spin, daemon=True).start()
    assert client.wait_for_service(10)
    time.sleep(1)
    futures = [client.call_async(Trigger.Request()) for _ in range(20)]
    time.sleep(8)
    answered = [future.done() for future in futures]
    numbers = " ".join(str(number) for number, done in enumerate(answered) if done)
    print(f"{name}: {sum(answered)} of {len(answered)} requests answered: {numbers}")
os._exit(0)
PY
"$folder/venv/bin/python" -u "$folder/burst.py" | tee "$folder/seen"
grep -q "^default: 10 of 20 " "$folder/seen"
grep -q "^deep: 20 of 20 " "$folder/seen"
