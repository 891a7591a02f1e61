"""The front door: open a bundle in the backend that is asked for, or in the first that runs here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

import numpy as np

from selcon_ros.backends import openvino
from selcon_ros.backends.base import BACKENDS, CPU_BACKEND, OPENVINO, Backend
from selcon_ros.backends.cuda import has_gpu
from selcon_ros.backends.options import CpuOptions, GpuOptions
from selcon_ros.core.errors import BackendError, BundleError, NotInstalledError, first_line
from selcon_ros.core.grounding.bundle import Bundle, default_bundle_path, load_with_samples
from selcon_ros.core.grounding.grounder import Grounder
from selcon_ros.core.machine.memory import give_back_memory
from selcon_ros.engines.cpu_choice import Opened, open_fastest

AUTO = "auto"


class Model(Grounder):
    """A bundle that is open in a backend; `ground` runs it on an image.

    The thread that loaded it runs and closes it. `bundle` has the manifest; its files are not kept.
    why: how the backend and, on a CPU, the precision were chosen, a sentence. kind, precision: what `load`
    takes to open the same again. failures: backends that should have run here, but did not, and why.
    """

    def __init__(
        self,
        bundle: Bundle,
        backend: Backend,
        why: str,
        kind: str,
        precision: str,
        failures: tuple[str, ...] = (),
    ) -> None:
        super().__init__(replace(bundle, files={}), backend)
        self.backend: Backend = backend
        self.kind, self.precision = kind, precision
        self.why = why
        self.failures = failures

    def close(self) -> None:
        """Release what the backend holds. Closing twice is allowed; the model is not run again."""
        self.backend.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def load(
    path: str | Path | None = None,
    backend: str = AUTO,
    precision: str = AUTO,
    cpu: CpuOptions | None = None,
    gpu: GpuOptions | None = None,
    warm_up: int = 1,
    fall_back: bool = False,
) -> Model:
    """Open the bundle at `path`, a folder or .zip; None: the packaged one.

    backend: one of `backends.base.BACKENDS`, or auto: the first that runs here on a GPU, else the fastest on
    the CPU. A GPU's engine and OpenVINO are compared with ONNX Runtime in fp32 on the bundle's samples before
    they are used. precision: auto is fp16 on a GPU, on the CPU the fastest. What is the fastest on the CPU is
    timed for a second the first time (`engines.cpu_choice.open_fastest`). warm_up: runs before the first
    image. fall_back: where the backend that is asked for fails, run ONNX Runtime on the CPU instead, which
    `Model.failures` then says. Raises BundleError for a bad bundle, BackendError for wrong choices or where
    nothing is left to run it.
    """
    place = default_bundle_path() if path is None else Path(path)
    opener = _Opener(place, precision, cpu or CpuOptions(), gpu or GpuOptions())
    if warm_up < 1:
        raise BackendError(f"warm_up is {warm_up}: it must be at least 1")
    if backend != AUTO and backend not in BACKENDS:
        raise BackendError(f"unknown backend {backend!r}: choose one of {AUTO}, {', '.join(BACKENDS)}")
    model = opener.open_fastest() if backend == AUTO else opener.open_named(backend, fall_back)
    try:
        for _ in range(warm_up - 1):  # opening is the first
            model.backend.run(np.zeros((1, *model.bundle.manifest.input_size, 3), np.uint8))
    except BaseException:
        model.close()
        raise
    give_back_memory()  # what opening has taken on the way: tens of megabytes, for as long as a node runs
    return model


@dataclass(frozen=True)
class _Opener:
    """Opens one bundle in one backend or another."""

    path: Path
    precision: str
    cpu: CpuOptions
    gpu: GpuOptions

    def open_named(self, backend: str, fall_back: bool) -> Model:
        """Open the backend that is asked for; with `fall_back` the CPU's where it fails."""
        if self.precision not in (AUTO, *BACKENDS[backend].precisions):
            raise BackendError(
                f"backend {backend} does not run {self.precision}: choose one of auto, "
                f"{', '.join(BACKENDS[backend].precisions)}"
            )
        try:
            return self._open(backend, "as asked for")
        except BackendError as error:
            if not fall_back or backend == CPU_BACKEND:
                raise
            # fp32 that was asked for stays fp32; what the CPU does not have becomes its best.
            kept = self.precision if self.precision in BACKENDS[CPU_BACKEND].precisions else AUTO
            model = replace(self, precision=kept)._open(CPU_BACKEND, f"since {backend} does not run")
            model.failures = (f"{backend}: {error}",)
            return model

    def open_fastest(self) -> Model:
        """Open the first of a GPU's backends that runs here, else the fastest on the CPU."""
        able = [name for name, info in BACKENDS.items() if self.precision in (AUTO, *info.precisions)]
        has_one = has_gpu()
        failures: list[str] = []
        missing: list[str] = []
        why = "the fastest that runs here" if has_one else "no NVIDIA GPU here"
        for name in [name for name in able if BACKENDS[name].on_gpu] if has_one else []:
            try:
                model = self._open(name, _with_missing(why, missing))
            except NotInstalledError:
                missing.append(name)
            except BackendError as error:
                failures.append(f"{name}: {error}")
            else:
                model.failures = tuple(failures)
                return model
        on_cpu = [name for name in able if not BACKENDS[name].on_gpu]
        if not has_one and not on_cpu:
            raise BackendError(
                f"{self.precision} runs on NVIDIA GPUs ({', '.join(able)}), and there is none here"
            )
        if OPENVINO in on_cpu and openvino.installed_version() is None:
            on_cpu.remove(OPENVINO)
            if not on_cpu:
                package = BACKENDS[OPENVINO].package
                failures.append(f"{OPENVINO} is not installed: pip install '{package}'")
        if on_cpu:
            try:
                opened = self._choose_on_cpu(on_cpu)
            except BackendError as error:
                failures.append(f"{' or '.join(on_cpu)}: {error}")
            else:
                return self._model(opened, _with_missing(why, missing), failures)
        reasons = [*failures, *(f"{name}: not installed" for name in missing)]
        raise BackendError(f"no backend runs bundle {self.path}: {'; '.join(reasons)}")

    def _open(self, backend: str, why: str) -> Model:
        if BACKENDS[backend].on_gpu:
            bundle = load_with_samples(self.path)
            self.cpu.pin_thread()
            precision = "fp16" if self.precision == AUTO else self.precision
            engine = _open_on_gpu(bundle, backend, precision, self.gpu)
            return Model(bundle, engine, f"{backend}: {why}", backend, precision)
        return self._model(self._choose_on_cpu([backend]), why)

    def _choose_on_cpu(self, backends: list[str]) -> Opened:
        first = sorted(backends, key=lambda name: name != CPU_BACKEND)
        return open_fastest(self.path, self.cpu, self.gpu.cache, first, self.precision)

    def _model(self, opened: Opened, why: str, failures: Sequence[str] = ()) -> Model:
        choice = opened.choice
        reason = f"{choice.backend}: {'; '.join(filter(None, (why, choice.why)))}"
        every = (*failures, *choice.failures)
        return Model(opened.bundle, opened.backend, reason, choice.backend, choice.precision, every)


def _with_missing(why: str, missing: Sequence[str]) -> str:
    return f"{why}; not installed: {', '.join(missing)}" if missing else why


def _open_on_gpu(bundle: Bundle, backend: str, precision: str, options: GpuOptions) -> Backend:
    """As `engines.open.open_on_gpu`, which a robot without a GPU lacks the libraries for."""
    try:
        from selcon_ros.engines.open import open_on_gpu

        return open_on_gpu(bundle, backend, precision, options)
    except ImportError as error:
        if (error.name or "").startswith("selcon_ros"):
            raise  # a fault of ours
        raise NotInstalledError(
            f"backend {backend} needs {error.name or first_line(error)}: "
            f"pip install '{BACKENDS[backend].package}'"
        ) from error
    except BundleError as error:
        # It has no samples to compare on: the CPU runs it all the same.
        raise BackendError(str(error)) from error
