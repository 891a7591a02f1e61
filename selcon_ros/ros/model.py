"""The node's model, opened by the thread that will run it, and how far that is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from rclpy.impl.rcutils_logger import RcutilsLogger

from selcon_ros.backends.base import Frames, Maps, Setup, parse_cores
from selcon_ros.core.bundle import Manifest, default_bundle_path, load_bundle
from selcon_ros.core.errors import ParameterError
from selcon_ros.core.grounder import Grounder
from selcon_ros.core.text import one_line
from selcon_ros.core.user_path import user_path
from selcon_ros.model import Opened, open_model
from selcon_ros.ros.parameters import Settings
from selcon_ros.ros.signals import Stop

TOLD_EVERY = 5.0
"""Seconds between two log lines about an engine that is being built."""
OpenModel = Callable[..., Opened]


class Model:
    """A bundle and its engine.

    The bundle's manifest is read at once. The engine is opened by `open`, in the thread that runs it: a GPU's
    context belongs to that thread, and building an engine takes minutes.
    """

    def __init__(self, settings: Settings, log: RcutilsLogger, open_model: OpenModel = open_model) -> None:
        """Read the manifest. Raises BundleError for a bad bundle, BackendError for wrong cores,
        ParameterError for a folder in the home of nobody."""
        self._cores = parse_cores(settings.cores)
        self._cache = user_path(settings.engine_cache, ParameterError) if settings.engine_cache else None
        self.path = Path(settings.bundle) if settings.bundle else default_bundle_path()
        self.manifest: Manifest = load_bundle(self.path, roles=()).manifest
        self.engine = TimedBackend()
        self.failures: tuple[str, ...] = ()
        self._settings, self._log, self._open_model = settings, log, open_model
        self._state = "opening the model"
        self._told = 0.0
        self._settled = threading.Event()
        self._closing = False
        self._fault: Exception | None = None

    def open(self) -> Grounder | None:
        """Open the engine; None where that failed (`check` raises it) or the node is closing."""
        settings = self._settings
        try:
            setup = Setup(
                threads=settings.threads or None,
                cores=self._cores,
                spinning=settings.spinning,
                warm_up=settings.warm_up,
                device=settings.device,
                build=settings.build_engine,
                cache=self._cache,
                progress=self._progress,
            )
            opened = self._open_model(self.path, settings.backend, settings.precision, setup, fall_back=True)
        except KeyboardInterrupt:  # raised by _progress
            return None
        except Exception as error:  # raised again by the thread that checks, where it ends the node
            self._fault = error
            return None
        finally:
            self._settled.set()
        self.engine.wrap(opened)
        self.failures = opened.failures
        self._state = ""
        height, width = self.manifest.input_size
        self._log.info(one_line(f"engine {self.engine.name}, input {width} x {height}, from {self.path}"))
        self._log.info(one_line(f"backend {opened.why}"))
        return Grounder(opened.bundle, self.engine)

    @property
    def state(self) -> str:
        """What is being done until the model can be run, "" from then on."""
        return self._state

    def wait(self, stop: Stop | None = None) -> bool:
        """Wait until the model is open, or an engine is being built for it; returns False if stopped before.

        Raises what made it fail.
        """
        while not self._settled.wait(0.05):
            if stop is not None and stop.requested:
                return False
        self.check()
        return True

    def check(self) -> None:
        """Raise what made opening fail, if it did."""
        if self._fault is not None:
            raise self._fault

    def fail(self, error: Exception) -> None:
        """Let `check` raise this error."""
        self._fault = error

    def close(self) -> None:
        """End a build that is under way; the engine itself is closed by the thread that opened it."""
        self._closing = True

    def _progress(self, phase: str, share: float) -> None:
        if self._closing:
            raise KeyboardInterrupt
        self._state = f"building the engine: {phase}, {100 * share:.0f} %"
        self._settled.set()
        if time.monotonic() - self._told > TOLD_EVERY:
            self._told = time.monotonic()
            self._log.info(one_line(self._state))


class TimedBackend:
    """A backend, once there is one, that adds up the time spent in it."""

    def __init__(self) -> None:
        self.name = "none yet"
        self.seconds = 0.0
        self._opened: Opened | None = None

    def wrap(self, opened: Opened) -> None:
        """Take the backend to run."""
        self._opened, self.name = opened, opened.backend.name

    def run(self, frames: Frames) -> tuple[Maps, Maps | None]:
        """Run the backend (see `selcon_ros.backends.base`)."""
        assert self._opened is not None
        start = time.monotonic()
        try:
            return self._opened.backend.run(frames)
        finally:
            self.seconds += time.monotonic() - start

    def close(self) -> None:
        """Close the backend, if there is one."""
        if self._opened is not None:
            self._opened.backend.close()
