"""The node's model, opened by the thread that will run it, and how far that is."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Protocol

from rclpy.impl.rcutils_logger import RcutilsLogger

from selcon_ros.backends.options import CpuOptions, GpuOptions, parse_cores
from selcon_ros.core.errors import Cancelled, ParameterError
from selcon_ros.core.files.user_path import user_path
from selcon_ros.core.grounding.bundle import Manifest, default_bundle_path, load_bundle
from selcon_ros.core.text import one_line
from selcon_ros.model import Model, load
from selcon_ros.ros.parameters import Settings
from selcon_ros.ros.signals import Stop

PROGRESS_LOG_SECONDS = 5.0
"""Seconds between two log lines about an engine that is being built."""


class OpenModel(Protocol):
    """Opens a bundle, as `selcon_ros.load` does; tests give another."""

    def __call__(
        self,
        path: str | Path | None,
        backend: str,
        precision: str,
        cpu: CpuOptions | None,
        gpu: GpuOptions | None,
        warm_up: int,
        fall_back: bool,
    ) -> Model: ...


class ModelLoader:
    """Opens the node's model, and knows how far that is.

    The bundle's manifest is read at once. The model is opened by `open`, in the thread that runs it: a GPU's
    context belongs to that thread, and building an engine takes minutes.
    """

    def __init__(self, settings: Settings, log: RcutilsLogger, open_model: OpenModel = load) -> None:
        """Read the manifest. Raises BundleError for a bad bundle, BackendError for wrong cores,
        ParameterError for a folder in the home of nobody."""
        self._cores = parse_cores(settings.cores)
        self._cache = user_path(settings.engine_cache, ParameterError) if settings.engine_cache else None
        self.path = Path(settings.bundle) if settings.bundle else default_bundle_path()
        self.manifest: Manifest = load_bundle(self.path, roles=()).manifest
        self.model: Model | None = None
        self._settings, self._log, self._open_model = settings, log, open_model
        self._state = "opening the model"
        self._logged = 0.0
        self._settled = threading.Event()
        self._opened = threading.Event()
        self._closing = False
        self.fault: Exception | None = None
        """What made opening fail, or the worker."""

    def open(self) -> Model | None:
        """Open the model; None where that failed (`check` raises it) or the node is closing."""
        try:
            return self._open()
        finally:
            self._opened.set()

    def _open(self) -> Model | None:
        settings = self._settings
        try:
            self.model = self._open_model(
                self.path,
                settings.backend,
                settings.precision,
                CpuOptions(settings.threads or None, self._cores, settings.spinning, self._check_closing),
                GpuOptions(settings.device, settings.build_engine, self._cache, progress=self._progress),
                settings.warm_up,
                fall_back=True,
            )
        except Cancelled:  # raised by _check_closing
            return None
        except Exception as error:  # raised again by the thread that checks, where it ends the node
            self.fault = error
            return None
        finally:
            self._settled.set()
        self._state = ""
        height, width = self.manifest.input_size
        self._log.info(one_line(f"engine {self.engine}, input {width} x {height}, from {self.path}"))
        self._log.info(one_line(f"backend {self.model.why}"))
        return self.model

    @property
    def engine(self) -> str:
        """The name of the engine that runs the model."""
        return "none yet" if self.model is None else self.model.backend.name

    @property
    def choice(self) -> str:
        """How that engine was chosen, a sentence."""
        return "none yet" if self.model is None else self.model.why

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

    def wait_until_open(self) -> None:
        """Wait until the model is open. Raises what made that fail, and Cancelled if the node ends before."""
        self._opened.wait()
        self.check()
        if self.model is None:
            raise Cancelled("the model was not opened, for the node ends")

    def check(self) -> None:
        """Raise `fault`, if there is one."""
        if self.fault is not None:
            raise self.fault

    def fail(self, error: Exception) -> None:
        """Let `check` raise this error."""
        self.fault = error

    def close(self) -> None:
        """End a build or a trial that is under way; the thread that opened the engine closes it."""
        self._closing = True

    def _check_closing(self) -> None:
        if self._closing:
            raise Cancelled("the node is closing")

    def _progress(self, phase: str, share: float) -> None:
        self._check_closing()
        self._state = f"building the engine: {phase}, {100 * share:.0f} %"
        self._settled.set()
        if time.monotonic() - self._logged > PROGRESS_LOG_SECONDS:
            self._logged = time.monotonic()
            self._log.info(one_line(self._state))
