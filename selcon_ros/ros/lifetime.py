"""Start the node, spin it until it shall stop, and take it down in order."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable

import cv2
import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.task import Future
from rclpy.utilities import remove_ros_args

from selcon_ros.core.errors import SelconError
from selcon_ros.core.text import one_line, quoted
from selcon_ros.ros.grounding_node import GroundingNode
from selcon_ros.ros.signals import Stop
from selcon_ros.ros.start import start_ros

CALLBACK_SECONDS = 2.0
"""How long the end waits for a callback. `ros2 launch` kills what has not ended 10 s after SIGINT."""


def run(stop: Stop, args: list[str], make: Callable[[], GroundingNode] = GroundingNode) -> int:
    """Run the node until `stop` is requested.

    `args` is the command line, with the program's name. `make` makes the node. Returns the exit status: 0, or
    1 if the node cannot start or fails (the reason is one line in the log).
    """
    stop.hold()
    # Two stages and the engine's threads have the cores already: more threads of OpenCV only wait for them.
    cv2.setNumThreads(1)
    try:
        start_ros(args)
    except SelconError as error:
        print(f"grounding_node: {error}", file=sys.stderr)
        return 1
    if others := remove_ros_args(args)[1:]:
        print(f"grounding_node: {quoted(others[0])} is no argument: put --ros-args first", file=sys.stderr)
        rclpy.shutdown()
        return 1
    node, ended, status = None, True, 0
    try:
        node = make()
        if node.wait_for_model(stop):
            ended = _spin(node, stop)
    except (SelconError, ParameterException) as error:  # the latter for what rclpy declares: use_sim_time
        get_logger("grounding").fatal(one_line(str(error)))
        status = 1
    except Exception:
        traceback.print_exc()
        status = 1
    try:
        if node is not None:
            ended = node.close() and ended
        stop.ending()
        if node is not None:
            node.destroy_node()
    finally:
        rclpy.try_shutdown()
        stop.done()
    if not ended:
        # A thread that is still in a call of a library would meet an interpreter that is gone.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


def _spin(node: GroundingNode, stop: Stop) -> bool:
    """Spin until `stop` is requested; returns whether the callbacks ended. Raises what one of them raised."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    finished: Future[None] = Future()
    faults: list[Exception] = []

    def spin() -> None:
        try:
            executor.spin_until_future_complete(finished)
        except ExternalShutdownException:
            pass
        except Exception as error:
            faults.append(error)
        finally:
            stop.request()

    # In a thread of its own, for waiting for messages keeps Python from handling a signal.
    thread = threading.Thread(target=spin, name="executor", daemon=True)
    thread.start()
    stop.wait()
    node.requests.end()  # while there is an executor that sends the refusals
    finished.set_result(None)
    thread.join(CALLBACK_SECONDS)
    executor.shutdown(0)
    if faults:
        raise faults[0]
    return not thread.is_alive()
