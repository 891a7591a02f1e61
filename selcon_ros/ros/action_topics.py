"""Topics of one action each, which exist while several actions are asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher

from selcon_ros.ros.clock import STEADY_CLOCK

MAX_ACTIONS = 32
"""Actions of a list, the first ones, that have topics of their own."""
PUBLISHERS_PER_CALL = 4
"""Publishers made in one call of the timer: each takes milliseconds, in which nothing else is answered."""
PERIOD_SECONDS = 0.02
"""Seconds between two calls of the timer."""
Key = tuple[str, str]
"""A kind of topic, and the name of an action in it."""


def topic_names(actions: Sequence[str]) -> dict[str, str]:
    """The part of a topic's name that stands for each action of a model.

    ROS takes ASCII letters, digits and underscores, and no digit first: what is between them becomes an
    underscore. An action of which nothing or another's name is left becomes `action_` and its number.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for number, action in enumerate(actions, 1):
        name = re.sub(r"[^a-z0-9]+", "_", action.lower()).strip("_")
        if not name or name[0].isdigit() or name in taken:
            name = f"action_{number}"
        while name in taken:
            name += "_"
        taken.add(name)
        names[action] = name
    return names


class ActionTopics:
    """The publishers of `KIND/ACTION` topics.

    They come and go in the executor's thread, where `follow` is called. The stages of a frame look at them
    while they hold the lock: one that was found does not go before they let go of that.
    """

    def __init__(
        self,
        node: Node,
        lock: AbstractContextManager[Any],
        kinds: dict[str, type],
        make: Callable[[type, str], Publisher[Any]],
        on_gone: Callable[[], None],
    ) -> None:
        """No topic exists yet.

        `kinds` is the message type of each KIND. `make` makes a publisher of a type on a topic. `on_gone` is
        called when topics were taken away, and their listeners with them.
        """
        self._node, self._lock, self._kinds, self._make = node, lock, kinds, make
        self._on_gone = on_gone
        self._names: dict[str, str] = {}
        self._publishers: dict[Key, Publisher[Any]] = {}
        self._wanted: tuple[Key, ...] = ()
        self._timer = node.create_timer(PERIOD_SECONDS, self._step, clock=STEADY_CLOCK)
        self._timer.cancel()

    def know(self, actions: Sequence[str]) -> None:
        """Take over the names of a model's actions; those that are followed are among them."""
        self._names = topic_names(actions)

    def follow(self, actions: Sequence[str]) -> None:
        """Have topics for these actions if they are several, and for no others, soon after this call."""
        several = actions[:MAX_ACTIONS] if len(actions) > 1 else ()
        self._wanted = tuple((kind, self._names[action]) for action in several for kind in self._kinds)
        if self._timer.is_canceled():  # else a list that changes all the time would put it off for ever
            self._timer.reset()

    def get(self, kind: str, action: str) -> Publisher[Any] | None:
        """The publisher of a kind and an action that somebody listens to; None if there is none."""
        publisher = self._publishers.get((kind, self._names[action]))
        return publisher if publisher is not None and publisher.get_subscription_count() else None

    @property
    def any_has_subscribers(self) -> bool:
        """Somebody listens to one of the topics."""
        return any(publisher.get_subscription_count() for publisher in self._publishers.values())

    def _step(self) -> None:
        """Take away what is not wanted any more, and make some of what is missing."""
        wanted = self._wanted
        gone = [self._publishers[key] for key in self._publishers.keys() - set(wanted)]
        with self._lock:
            self._publishers = {key: each for key, each in self._publishers.items() if key in wanted}
        for publisher in gone:
            self._node.destroy_publisher(publisher)
        if gone:
            self._on_gone()
        missing = [key for key in wanted if key not in self._publishers]
        made = {
            (kind, name): self._make(self._kinds[kind], f"{kind}/{name}")
            for kind, name in missing[:PUBLISHERS_PER_CALL]
        }
        with self._lock:
            self._publishers |= made
        if len(missing) <= PUBLISHERS_PER_CALL:
            self._timer.cancel()
