"""How long the node's services take to answer: `python -m benchmarks.answer_times` in a clone.

A node with the packaged model, a camera of 640 x 480 with depth at 30 Hz, a listener to its outputs and the
client are four processes. The client asks for a parameter and for the lifecycle state in turns, 20 times a
second, and notes the time from the request to the answer, its own included.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import GetParameters
from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_msgs.msg import String

from selcon_ros.core.errors import SelconError
from selcon_ros.core.grounding.bundle import default_bundle_path
from selcon_ros.demo.collector import ACTION, GRASP_POINTS, HEATMAP, MARKERS, OVERLAY, TYPES
from selcon_ros.demo.orchestration import node_process, player_process
from selcon_ros.demo.processes import PythonProcess, isolate
from selcon_ros.recording import default_recording

NODE = "/affordance/grounding"
START_SECONDS = 60.0
PAUSE_SECONDS = 0.05
"""Seconds between two requests."""
MEASURED_SECONDS = 20.0
CYCLES = 8
RELIABLE = QoSProfile(depth=10)


class Client(Node):
    """Asks the node, one request at a time."""

    def __init__(self) -> None:
        super().__init__("answer_times")
        self._parameters: Any = self.create_client(GetParameters, f"{NODE}/get_parameters")
        self._state: Any = self.create_client(GetState, f"{NODE}/get_state")
        self._change: Any = self.create_client(ChangeState, f"{NODE}/change_state")
        self._action = self.create_publisher(String, ACTION, RELIABLE)
        end = time.monotonic() + START_SECONDS
        for each in (self._parameters, self._state, self._change):
            if not each.wait_for_service(max(0.0, end - time.monotonic())):
                raise SelconError(f"{NODE} offers no services within {START_SECONDS:g} s")

    def ask(self, number: int) -> float:
        """Return the milliseconds of one answer."""
        client, request = (
            (self._parameters, GetParameters.Request(names=["action"]))
            if number % 2
            else (self._state, GetState.Request())
        )
        start = time.monotonic()
        self._answer(client.call_async(request))
        return 1e3 * (time.monotonic() - start)

    def ask_for(self, seconds: float) -> list[float]:
        """Return the milliseconds of all answers in this time."""
        found: list[float] = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found.append(self.ask(len(found)))
            time.sleep(PAUSE_SECONDS)
        return found

    def cycle(self) -> Iterator[float]:
        """Take the node to unconfigured and back; yields the milliseconds of all answers meanwhile."""
        for name in ("DEACTIVATE", "CLEANUP", "CONFIGURE", "ACTIVATE"):
            number = getattr(Transition, f"TRANSITION_{name}")
            changed = self._change.call_async(ChangeState.Request(transition=Transition(id=number)))
            count = 0
            while not changed.done():
                yield self.ask(count)
                count += 1
                time.sleep(PAUSE_SECONDS / 5)
            if not changed.result().success:
                raise SelconError(f"{name.lower()} has failed")

    def say(self, action: str) -> None:
        """Publish an action."""
        self._action.publish(String(data=action))

    def _answer(self, future: Any) -> None:
        rclpy.spin_until_future_complete(self, future, timeout_sec=START_SECONDS)
        if not future.done():
            raise SelconError(f"no answer within {START_SECONDS:g} s")


def listen() -> None:
    """Subscribe to the outputs, and do nothing with them."""
    rclpy.init()
    node = rclpy.create_node("listener")
    for topic in (HEATMAP, OVERLAY, GRASP_POINTS, MARKERS):
        node.create_subscription(TYPES[topic], topic, lambda _: None, RELIABLE, raw=True)
    rclpy.spin(node)


def main() -> None:
    """Print least, median, 95th percentile and most, in ms."""
    with tempfile.TemporaryDirectory() as scratch:
        logs = Path(scratch)
        isolate(logs)
        camera = player_process(default_recording(), logs / "player.log", 30.0)
        with node_process(default_bundle_path(), logs / "node.log"), camera:
            rclpy.init()
            client = Client()
            time.sleep(5.0)  # it rests: nobody has asked for an action
            _show("nobody listens", client.ask_for(MEASURED_SECONDS))
            with PythonProcess("listener", "benchmarks.answer_times", ["listen"], logs / "listener.log"):
                client.say("hold")
                time.sleep(3.0)
                _show("one action, four outputs", client.ask_for(MEASURED_SECONDS))
                client.say("*")
                time.sleep(3.0)
                _show("eight actions, four outputs", client.ask_for(MEASURED_SECONDS))
                client.say("hold")
                _show("lifecycle cycles", [each for _ in range(CYCLES) for each in client.cycle()])
            rclpy.try_shutdown()


def _show(what: str, found: list[float]) -> None:
    low, middle, high, most = np.percentile(found, [0, 50, 95, 100])
    print(f"{what:<28} {len(found):5} answers: {low:.1f} {middle:.1f} {high:.1f} {most:.1f} ms", flush=True)


if __name__ == "__main__":
    listen() if sys.argv[1:] == ["listen"] else main()
