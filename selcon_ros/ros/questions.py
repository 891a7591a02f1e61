"""Questions about actions that wait for an image, from a service or an action; nothing here is ROS's."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from selcon_ros.core.grasps.grasp_result import Refusal
from selcon_ros.core.reason import Reason

MAX_QUESTIONS = 100
"""Questions that wait at once; one more is refused."""
A = TypeVar("A")
"""What a question is answered with."""


@dataclass(frozen=True, eq=False)
class Question(Generic[A]):
    """Actions, each once, that are asked for in one image.

    new_image: an image that came before the question does not do. timeout: seconds from `asked` on, which is
    on the machine's monotonic clock. reply: called once, in any thread, with the answer or why there is none.
    heatmaps: whether they are asked for, too. owner: who asked, for `Questions.cancel`.
    """

    actions: tuple[str, ...]
    new_image: bool
    timeout: float
    reply: Callable[[A | Refusal], None]
    heatmaps: bool = False
    owner: object = None
    asked: float = field(default_factory=time.monotonic)

    def over(self, now: float) -> bool:
        """Its time is over."""
        return now - self.asked >= self.timeout

    def answered_by(self, arrived: float, old: bool) -> bool:
        """An image that came at `arrived` answers it, unless that is from before and `old` by now."""
        return arrived >= self.asked or not (self.new_image or old)


@dataclass
class _Waiting(Generic[A]):
    """taken: an image is being looked at for it. answer: to be given by `by`, where no better one comes."""

    taken: bool = False
    answer: A | None = None
    by: float = math.inf


class Questions(Generic[A]):
    """The questions that wait. Each is replied to once, whoever is first: an image, its time, or the end.

    All methods can be called from any thread; none calls a reply while it holds the lock.
    """

    def __init__(self, most: int = MAX_QUESTIONS) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._waiting: dict[Question[A], _Waiting[A]] = {}
        """Those without a reply."""
        self._closed: Refusal | None = None

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def open(self) -> None:
        """Take questions."""
        with self._lock:
            self._closed = None

    def close(self, refusal: Refusal) -> None:
        """Refuse those that wait, and all until `open`."""
        with self._lock:
            self._closed = refusal
            refused, self._waiting = list(self._waiting), {}
        for question in refused:
            question.reply(refusal)

    def ask(self, question: Question[A]) -> None:
        """Let a question wait; it is refused at once while closed, and if too many wait."""
        with self._lock:
            refusal = self._closed
            if refusal is None and len(self._waiting) >= self._most:
                text = f"{self._most} requests are waiting: ask again when some are answered"
                refusal = Refusal(Reason.TOO_MANY_REQUESTS, text)
            if refusal is None:
                self._waiting[question] = _Waiting()
        if refusal is not None:
            question.reply(refusal)

    def take(self, arrived: float, old: bool) -> tuple[Question[A], ...]:
        """Return those that an image answers, which came at `arrived`; they go on waiting for the answer.

        Each is returned once: whoever has it replies, from this image or from a newer one.
        """
        with self._lock:
            taken = tuple(
                question
                for question, state in self._waiting.items()
                if not state.taken and question.answered_by(arrived, old)
            )
            for question in taken:
                self._waiting[question].taken = True
        return taken

    def defer(self, question: Question[A], answer: A, by: float) -> None:
        """Let a taken question wait for a newer image, as this answer lacks what is on its way.

        The answer is the reply after all at `by`, on the machine's monotonic clock, or at the question's end.
        """
        with self._lock:
            if question in self._waiting:
                self._waiting[question] = _Waiting(answer=answer, by=by)

    def reply(self, question: Question[A], answer: A | Refusal) -> None:
        """Answer a question, unless its time is over or it was cancelled meanwhile."""
        with self._lock:
            if question not in self._waiting:
                return
            del self._waiting[question]
        question.reply(answer)

    def fail(self, question: Question[A], refusal: Refusal) -> None:
        """Answer a question whose image has failed: as it was deferred with, else with the refusal."""
        with self._lock:
            state = self._waiting.get(question)
        self.reply(question, refusal if state is None or state.answer is None else state.answer)

    def cancel(self, owner: object, refusal: Refusal) -> None:
        """Refuse those of one owner that wait."""
        with self._lock:
            theirs = [each for each in self._waiting if each.owner is owner]
        for question in theirs:
            self.reply(question, refusal)

    def expire(self, newest: float | None, max_age: float) -> None:
        """Refuse those whose time is over, or give the answer kept for them; call it often while some wait.

        `newest` is when the newest image came, None before the first. An image that was there before is too
        old after `max_age` seconds; 0: never.
        """
        now = time.monotonic()
        with self._lock:
            over = [
                (question, state.answer)
                for question, state in self._waiting.items()
                if now >= state.by or question.over(now)
            ]
        for question, answer in over:
            self.reply(question, _too_late(question, newest, max_age) if answer is None else answer)


def _too_late(question: Question[A], newest: float | None, max_age: float) -> Refusal:
    """Why a question was not answered in time."""
    within = f"within {question.timeout:g} s"
    if newest is None:
        return Refusal(Reason.NO_IMAGE, f"no image has come yet, nor {within} of the request")
    if newest >= question.asked:
        return Refusal(Reason.TIMEOUT, f"an image came, but was not answered {within}")
    before = f"{question.asked - newest:.1f} s before the request"
    if question.new_image:
        return Refusal(Reason.TIMEOUT, f"no image came {within}; the last came {before}")
    if 0 < max_age < question.asked - newest:
        text = f"no image came {within}; the newest came {before}, more than {max_age:g} s"
        return Refusal(Reason.OLD_IMAGE, text)
    return Refusal(Reason.TIMEOUT, f"the newest image was not answered {within}")
