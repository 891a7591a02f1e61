"""How the node is doing: problems that last, times per frame, and the /diagnostics message made of them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from rclpy.impl.rcutils_logger import RcutilsLogger

from selcon_ros.core.text import one_line

LOG_EVERY = 5.0
"""Seconds between two log lines about the same source of problems."""
MESSAGE = 4000
"""Characters of the message of /diagnostics, which names every problem, at most."""
REMEMBERED = 120
"""Answers whose times the medians are taken over."""


@dataclass(frozen=True)
class Times:
    """Where the time of one answer went, in seconds."""

    waiting: float
    """From the arrival of the image until the worker took it (it was busy with the one before)."""
    inference: float
    """In the engine."""
    overhead: float
    """From the worker's start until the heatmap was published, without the inference."""
    grasping: float
    """After the heatmap: waiting for depth, grasp points, overlay, markers."""

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
    """

    def __init__(self, logger: RcutilsLogger) -> None:
        self._logger = logger
        self._lock = threading.Lock()
        self._problems: dict[str, str] = {}
        self._logged: dict[str, float] = {}
        self._said: dict[str, str] = {}
        self._last: tuple[str, float] | None = None
        self._times: deque[Times] = deque(maxlen=REMEMBERED)
        self._answers: deque[float] = deque(maxlen=REMEMBERED)
        self.answered = 0

    def problem(self, source: str, text: str, every: float = LOG_EVERY) -> None:
        """Note a problem on one line and log it, but one source at most once in `every` seconds."""
        text = one_line(text)
        now = time.monotonic()
        with self._lock:
            self._problems[source] = text
            self._last = (text, now)
            silent = now - self._logged.get(source, -np.inf) < every
            if not silent:
                self._logged[source] = now
                self._said[source] = text
        if not silent:
            self._logger.warning(f"{source}: {text}")

    def solved(self, source: str) -> None:
        """The source is well again."""
        with self._lock:
            was = self._problems.pop(source, None)
            recovered = was is not None and was == self._said.pop(source, None)
        # Only what was said is taken back, so that a source that flickers stays quiet.
        if recovered:
            self._logger.info(f"{source}: works again")

    def record(self, times: Times) -> None:
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
            "rate_hz": f"{(len(recent) - 1) / (recent[-1] - recent[0]):.1f}" if len(recent) > 1 else "0.0",
        }
        for name in times[0].parts() if times else ():
            each = 1e3 * np.array([one.parts()[name] for one in times])
            found[f"{name}_ms"] = f"{np.median(each):.2f}"
            found[f"{name}_p95_ms"] = f"{np.percentile(each, 95):.2f}"
        found["last_problem"] = f"{last[0]} ({now - last[1]:.0f} s ago)" if last else "none"
        return found


def status(name: str, hardware: str, health: Health, facts: Mapping[str, str]) -> DiagnosticStatus:
    """One status: every lasting problem, if there is one as a warning, and what the node is doing.

    :param facts: what else to tell; `state` is what the node is doing
    """
    problems = health.problems
    values = {**facts, **health.values()}
    level = DiagnosticStatus.WARN if problems else DiagnosticStatus.OK
    told = [f"{source}: {text}" for source, text in sorted(problems.items())]
    message = "; ".join([*told, f"{facts['state']}, {values['rate_hz']} Hz"])
    return DiagnosticStatus(
        level=level,
        name=name,
        hardware_id=one_line(hardware),
        message=one_line(message, MESSAGE),
        values=key_values(values),
    )


def key_values(values: Mapping[str, str]) -> list[KeyValue]:
    """A mapping as diagnostic_msgs writes it, each value on one line."""
    return [KeyValue(key=key, value=one_line(value)) for key, value in values.items()]
