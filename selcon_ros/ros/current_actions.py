"""The actions that are answered at present, and that no answer for others goes out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager


class CurrentActions:
    """What is asked for on the topic or by the parameter; set by the executor, answered by both stages."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._actions: tuple[str, ...] = ()

    @property
    def now(self) -> tuple[str, ...]:
        """The actions, each once; empty for none."""
        return self._actions

    @property
    def held(self) -> AbstractContextManager[bool]:
        """Within this nothing is published and nothing changes."""
        return self._lock

    def change(self, actions: tuple[str, ...], then: Callable[[], None] = lambda: None) -> bool:
        """Answer others from now on.

        Returns whether they are others. `then` is called before any answer for them goes out, and after the
        last for those before.
        """
        with self._lock:
            changed, self._actions = actions != self._actions, actions
            then()
        return changed

    def publish(self, actions: tuple[str, ...], publish: Callable[[], None]) -> None:
        """Publish an answer for these actions, unless others are asked for meanwhile."""
        with self._lock:
            if actions == self._actions:
                publish()
