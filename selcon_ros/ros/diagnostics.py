"""How the node is doing: problems that last, times per frame, and the /diagnostics message made of them."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from rclpy.impl.rcutils_logger import RcutilsLogger

from selcon_ros.core.text import one_line

LOG_PERIOD_SECONDS = 5.0
"""Seconds between two log lines about the same source of problems."""
MAX_MESSAGE_LENGTH = 4000
"""Characters of the message of /diagnostics, which names every problem, at most."""
SETTLED_SECONDS = 5.0
"""Seconds without a problem after which the log says that its source works again."""
MAX_ANSWERS = 120
"""Answers whose times the medians are taken over."""


@dataclass(frozen=True)
class AnswerTimes:
    """Where the time of one answer went, in seconds."""

    waiting: float
    """From the arrival of the image until work on it began (on the one before it had to end)."""
    inference: float
    """In the engine."""
    overhead: float
    """From the start of the work until the heatmap was published, without the inference."""
    grasping: float
    """After the heatmap: waiting for the results of the image before, and for depth; all other outputs."""

    @property
    def latency(self) -> float:
        """From the arrival of the image until its heatmap was published."""
        return self.waiting + self.inference + self.overhead

    def parts(self) -> dict[str, float]:
        """All times by name, in seconds."""
        return {"latency": self.latency, **asdict(self)}


class Health:
    """Collects problems and times from all threads.

    A problem belongs to a source ("image", "depth", "action", ...) and lasts until that source is solved.
    The log hears of each problem, and once that it is over: when the source has been well for
    `SETTLED_SECONDS`, so that one that flickers does not fill the log.
    """

    def __init__(self, logger: RcutilsLogger) -> None:
        self._logger = logger
        self._lock = threading.Lock()
        self._problems: dict[str, str] = {}
        self._said: dict[str, tuple[float, str]] = {}
        """When and of what kind the last line in the log about a source was, until it is taken back."""
        self._solved: dict[str, float] = {}
        """Since when a source is well whose problem has been said."""
        self._last: tuple[str, float] | None = None
        self._times: deque[AnswerTimes] = deque(maxlen=MAX_ANSWERS)
        self._answers: deque[float] = deque(maxlen=MAX_ANSWERS)
        self.answered = 0

    def problem(self, source: str, text: str, every: float = LOG_PERIOD_SECONDS) -> None:
        """Note a problem on one line and log it: the same at most once in `every` seconds.

        Another one of the same source is logged from `LOG_PERIOD_SECONDS` after the last on.
        """
        text = one_line(text)
        now = time.monotonic()
        kind = re.sub(r"[0-9.]+", "", text)
        with self._lock:
            self._problems[source] = text
            self._last = (text, now)
            self._solved.pop(source, None)
            said, said_kind = self._said.get(source, (-np.inf, ""))
            silent = now - said < (every if kind == said_kind else min(every, LOG_PERIOD_SECONDS))
            if not silent:
                self._said[source] = (now, kind)
        if not silent:
            self._logger.warning(f"{source}: {text}")

    def solved(self, source: str) -> None:
        """The source is well again."""
        with self._lock:
            if self._problems.pop(source, None) is not None and source in self._said:
                self._solved[source] = time.monotonic()

    def keep(self, sources: Collection[str]) -> None:
        """All other sources are well again."""
        for source in self.problems.keys() - set(sources):
            self.solved(source)

    def settle(self) -> None:
        """Log what has been well for `SETTLED_SECONDS`; call it now and then."""
        now = time.monotonic()
        with self._lock:
            settled = [source for source, since in self._solved.items() if now - since >= SETTLED_SECONDS]
            for source in settled:
                del self._solved[source], self._said[source]
        for source in settled:
            self._logger.info(f"{source}: works again")

    def record(self, times: AnswerTimes) -> None:
        """Count an answered image."""
        with self._lock:
            self._times.append(times)
            self._answers.append(time.monotonic())
            self.answered += 1

    @property
    def problems(self) -> dict[str, str]:
        """What is wrong now, by source."""
        with self._lock:
            return dict(self._problems)

    def values(self) -> dict[str, str]:
        """Rate, median and 95th percentile of the times in milliseconds, and the last problem."""
        with self._lock:
            times, answers, last = list(self._times), list(self._answers), self._last
        now = time.monotonic()
        recent = [at for at in answers if now - at < 5.0]
        found = {
            "answered_images": str(self.answered),
            # Of a second at least: two answers in a row are no rate.
            "rate_hz": f"{(len(recent) - 1) / max(now - recent[0], 1.0):.1f}" if recent else "0.0",
        }
        for name in times[0].parts() if times else ():
            each = 1e3 * np.array([one.parts()[name] for one in times])
            found[f"{name}_ms"] = f"{np.median(each):.2f}"
            found[f"{name}_p95_ms"] = f"{np.percentile(each, 95):.2f}"
        found["last_problem"] = f"{last[0]} ({now - last[1]:.0f} s ago)" if last else "none"
        return found


def status(name: str, hardware: str, health: Health, facts: Mapping[str, str]) -> DiagnosticStatus:
    """One status: every lasting problem, if there is one as a warning, and what the node is doing.

    `facts` is what else to tell; its `state` is what the node is doing.
    """
    problems = health.problems
    values = {**facts, **health.values()}
    level = DiagnosticStatus.WARN if problems else DiagnosticStatus.OK
    texts = [f"{source}: {text}" for source, text in sorted(problems.items())]
    message = "; ".join([*texts, f"{facts['state']}, {values['rate_hz']} Hz"])
    return DiagnosticStatus(
        level=level,
        name=name,
        hardware_id=one_line(hardware),
        message=one_line(message, MAX_MESSAGE_LENGTH),
        values=key_values(values),
    )


def key_values(values: Mapping[str, str]) -> list[KeyValue]:
    """A mapping as diagnostic_msgs writes it, each value on one line."""
    return [KeyValue(key=key, value=one_line(value)) for key, value in values.items()]
