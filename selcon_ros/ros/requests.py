"""Requests of services and actions: checked, kept until an image answers them, and answered in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rclpy.node import Node
from rclpy.task import Future

from selcon_ros.core.errors import UnknownActionError
from selcon_ros.core.grasps.grasp_result import Refusal
from selcon_ros.core.grounding.actions import action_key, listed, match_actions
from selcon_ros.core.reason import Reason
from selcon_ros.ros.answers import Answer
from selcon_ros.ros.clock import STEADY_CLOCK
from selcon_ros.ros.message_buffers import LatestSlot
from selcon_ros.ros.node_parameters import NodeParameters
from selcon_ros.ros.parameters import MAX_REQUEST_SECONDS
from selcon_ros.ros.questions import Question, Questions

PERIOD_SECONDS = 0.02
"""Seconds between two looks at whose time is over."""
END_SECONDS = 1.0
"""How long the end waits until the refusals have been sent."""
NODE_ENDS = Refusal(Reason.CANCELED, "the node ends")
CANCELED = Refusal(Reason.CANCELED, "canceled by the client")


class Requests:
    """Lets coroutines of the executor wait for the worker's answers.

    rclpy runs a callback that is `async def` up to where it awaits, and goes on with others: no thread waits.
    """

    def __init__(
        self,
        node: Node,
        questions: Questions[Answer],
        images: LatestSlot[Any],
        parameters: NodeParameters,
        known: Callable[[], Sequence[str]],
        not_ready: Callable[[], Refusal | None],
        on_waiting: Callable[[], None],
    ) -> None:
        """Nothing waits yet.

        `known` returns the model's actions. `not_ready` returns why nothing can be answered at present, None
        where it can. `on_waiting` is called when the first begins to wait, and when none does any more.
        """
        self._node, self._questions, self._images, self._parameters = node, questions, images, parameters
        self._known, self._not_ready, self._on_waiting = known, not_ready, on_waiting
        self._open = self._streams = 0
        self._timer = node.create_timer(PERIOD_SECONDS, self._expire, clock=STEADY_CLOCK)
        self._timer.cancel()

    @property
    def waiting(self) -> bool:
        """Some wait for an image, or will."""
        return self._questions.waiting > 0 or self._streams > 0

    @property
    def timeout(self) -> float:
        """Seconds that a request without a timeout of its own waits."""
        return self._parameters.current.request_timeout

    @contextmanager
    def streaming(self) -> Iterator[None]:
        """Within this images are received, also while nothing waits for a moment."""
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1
            if not self.waiting:
                self._on_waiting()

    def cancel(self, owner: object) -> None:
        """Refuse what one owner has asked."""
        self._questions.cancel(owner, CANCELED)

    async def ask(
        self,
        actions: Sequence[str],
        new_image: bool,
        timeout: float,
        heatmaps: bool = False,
        owner: object = None,
    ) -> Answer | Refusal:
        """Await the answer for these actions, or why there is none.

        `actions` are names or lists of names, as in `match_actions`. With `new_image` an image that came
        before does not do. `timeout` is in seconds; 0 stands for the parameter `request_timeout`. `owner` is
        whoever may `cancel` it.
        """
        future: Future[Answer | Refusal] = Future(executor=self._node.executor)
        # It has nothing to do but wake the executor, which would not see that the future is done.
        future.add_done_callback(lambda _: None)
        self._open += 1
        try:
            if (refusal := self._ask(future, actions, new_image, timeout, heatmaps, owner)) is not None:
                return refusal
            answer = await future
            assert answer is not None
            return answer
        finally:
            self._open -= 1
            if not self.waiting:
                self._on_waiting()

    def _ask(
        self,
        future: Future[Answer | Refusal],
        actions: Sequence[str],
        new_image: bool,
        timeout: float,
        heatmaps: bool,
        owner: object,
    ) -> Refusal | None:
        """Let the future wait for its answer; returns why it cannot."""
        text = listed(actions)
        if not action_key(text.replace(",", "")):
            return Refusal(Reason.NO_ACTIONS, "the list of actions is empty: name one, or *")
        if not 0 <= timeout <= MAX_REQUEST_SECONDS:
            said = (
                f"timeout is {timeout:g} s: it must be above 0 and at most {MAX_REQUEST_SECONDS:g}, "
                "or 0 for the parameter request_timeout"
            )
            return Refusal(Reason.INVALID_REQUEST, said)
        if (refusal := self._not_ready()) is not None:
            return refusal
        try:
            matched = match_actions(text, self._known())
        except UnknownActionError as error:
            return Refusal(Reason.UNKNOWN_ACTION, str(error))
        timeout = timeout or self.timeout
        self._questions.ask(Question(matched, new_image, timeout, future.set_result, heatmaps, owner))
        if self.waiting:
            self._on_waiting()
            self._timer.reset()
            if not new_image:
                self._images.ask_again()
        return None

    def _expire(self) -> None:
        self._questions.expire(self._images.arrived, self._parameters.current.max_frame_age)
        if not self.waiting:
            self._timer.cancel()

    def end(self) -> None:
        """Refuse what waits and what comes; not in the executor's thread, which sends the refusals."""
        self._questions.close(NODE_ENDS)
        end = time.monotonic() + END_SECONDS
        executor, waiting = self._node.executor, self._open or self._streams
        while (self._open or self._streams) and time.monotonic() < end:
            time.sleep(0.01)
        if executor is None or not waiting:
            return
        # rclpy sends the results of goals in tasks of their own, which come after those that end the goals.
        for _ in range(2):
            done = threading.Event()
            executor.create_task(done.set)
            done.wait(max(0.0, end - time.monotonic()))
