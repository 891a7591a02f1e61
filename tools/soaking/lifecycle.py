"""A node taken through its states, where it has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.node import Node

TRANSITIONS = {
    "deactivate": Transition.TRANSITION_DEACTIVATE,
    "cleanup": Transition.TRANSITION_CLEANUP,
    "configure": Transition.TRANSITION_CONFIGURE,
    "activate": Transition.TRANSITION_ACTIVATE,
}
ANSWER_SECONDS = 60.0
"""Seconds within which a transition has to be answered."""


class Lifecycle:
    """Asks the node of this full name to change its state."""

    def __init__(self, node: Node, name: str, spin: Callable[[float], None]) -> None:
        self._client: Any = node.create_client(ChangeState, f"{name}/change_state")
        self._spin = spin

    def cycle(self) -> Iterator[str]:
        """From active to unconfigured and back; yields what is wrong. Nothing where there are no states."""
        if not self._client.service_is_ready():
            return
        for name, number in TRANSITIONS.items():
            request = ChangeState.Request(transition=Transition(id=number))
            future = self._client.call_async(request)
            waited = 0.0
            while not future.done() and waited < ANSWER_SECONDS:
                self._spin(0.05)
                waited += 0.05
            if not future.done():
                yield f"{name} is not answered within {ANSWER_SECONDS:g} s"
                return
            if not future.result().success:
                yield f"{name} fails"
                return
