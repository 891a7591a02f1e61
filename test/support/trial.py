"""A camera and the node as two processes, for trials of the transport: `python -m support.trial camera`.

The camera sends 640 x 480 images (0.92 MB) at 30 Hz until it is ended, beginning when somebody listens. The
node prints as JSON, some seconds after it has found the camera, what it received, what was lost, and its
problems; where nothing came, also what it says when the time is over in which processes find each other.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from support.messages import header, raw_image


def camera() -> None:
    rclpy.init()
    node = Node("camera", namespace="affordance")
    image = node.create_publisher(Image, "image", QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE))
    depth = node.create_publisher(Image, "depth", QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE))
    picture = raw_image(np.zeros((480, 640, 3), np.uint8), "rgb8")
    metres = raw_image(np.full((480, 640), 800, np.uint16), "16UC1")
    while not (image.get_subscription_count() and depth.get_subscription_count()):
        time.sleep(0.05)
    for number in range(100000):
        picture.header = metres.header = header(number / 30)
        image.publish(picture)
        depth.publish(metres)
        time.sleep(1 / 30)


def node(bundle: Path, seconds: float) -> None:
    # Here, for it takes a camera a second to import.
    from selcon_ros.ros import camera_watch
    from support.ros import running_node

    context = Context()
    rclpy.init(context=context)
    listener = Node("listener", context=context)  # without one the node takes no images
    listener.create_subscription(Image, "/affordance/heatmap", lambda _: None, 1)
    with running_node(context, bundle, action="hold") as made:
        end = time.monotonic() + 30.0
        while not made._inputs.image.publishers and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(seconds)
        told = {
            "received": made._inputs.image.received,
            "lost": made._inputs.image.lost,
            "received_depth": made._inputs.depth_sync.depth_input.received,
            "problems": made._health.problems,
        }
        if not told["received"]:
            camera_watch.DISCOVERY_SECONDS = 0.0
            time.sleep(1.5)
            told["later"] = made._health.problems
    context.try_shutdown()
    print("RESULT " + json.dumps(told), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "camera":
        camera()
    else:
        node(Path(sys.argv[2]), float(sys.argv[3]))
