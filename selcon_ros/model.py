"""Open a bundle in the backend that is asked for, or in the fastest that runs here and agrees with fp32."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from selcon_ros.backends.base import BACKENDS, Backend, Setup, open_backend
from selcon_ros.backends.cuda import has_gpu
from selcon_ros.core.bundle import INT8_ROLE, Bundle, load_bundle, load_model, sample_roles
from selcon_ros.core.errors import BackendError, BundleError, NotInstalledError

AUTO = "auto"
CPU = "onnxruntime"


@dataclass(frozen=True)
class Opened:
    """A bundle's manifest (its files are not kept) with the backend that runs it.

    why: how it was chosen, a sentence; failures: backends that should have run here, but did not, and why.
    """

    bundle: Bundle
    backend: Backend
    why: str
    failures: tuple[str, ...] = ()


def open_model(
    path: str | Path,
    backend: str = AUTO,
    precision: str = "auto",
    setup: Setup | None = None,
    fall_back: bool = False,
) -> Opened:
    """Open the bundle at `path` in a backend of BACKENDS, or `auto`: the first of them that runs here.

    A GPU's engine is compared with ONNX Runtime in fp32 on the bundle's samples before it is used. precision:
    auto is fp16 on a GPU, on the CPU int8 where the bundle has it. fall_back: where the backend that is asked
    for fails, run on the CPU instead, which `failures` then says. Raises BundleError for a bad bundle,
    BackendError where nothing is left to run it.
    """
    setup = setup or Setup()
    if backend != AUTO and backend not in BACKENDS:
        raise BackendError(f"unknown backend {backend!r}: choose one of {AUTO}, {', '.join(BACKENDS)}")
    if backend == AUTO:
        return _auto(Path(path), precision, setup)
    if precision not in ("auto", *BACKENDS[backend].precisions):
        raise BackendError(
            f"backend {backend} does not run {precision}: choose one of auto, "
            f"{', '.join(BACKENDS[backend].precisions)}"
        )
    try:
        return _open(Path(path), backend, precision, setup, "as asked for")
    except BackendError as error:
        if not fall_back or backend == CPU:
            raise
        # fp32 that was asked for stays fp32; what the CPU does not have becomes its best.
        wanted = precision if precision in BACKENDS[CPU].precisions else AUTO
        instead = _open(Path(path), CPU, wanted, setup, f"since {backend} does not run")
        return replace(instead, failures=(f"{backend}: {error}",))


def _auto(path: Path, precision: str, setup: Setup) -> Opened:
    able = [name for name, each in BACKENDS.items() if precision in ("auto", *each.precisions)]
    gpu = has_gpu()
    failures: list[str] = []
    missing: list[str] = []
    for name in able if gpu else [name for name in able if not BACKENDS[name].gpu]:
        why = "the fastest that runs here" if gpu else "no NVIDIA GPU here"
        if missing:
            why += f"; not installed: {', '.join(missing)}"
        try:
            return replace(_open(path, name, precision, setup, why), failures=tuple(failures))
        except NotInstalledError:
            missing.append(name)
        except BackendError as error:
            failures.append(f"{name}: {error}")
    if not gpu and all(BACKENDS[name].gpu for name in able):
        raise BackendError(f"{precision} runs on NVIDIA GPUs ({', '.join(able)}), and there is none here")
    reasons = [*failures, *(f"{name}: not installed" for name in missing)]
    raise BackendError(f"no backend runs bundle {path}: {'; '.join(reasons)}")


def _open(path: Path, name: str, precision: str, setup: Setup, why: str) -> Opened:
    if BACKENDS[name].gpu:
        roles = sample_roles(load_bundle(path, roles=()).manifest.files)
        model = load_bundle(path, roles=("model", *roles))
        setup = replace(setup, precision="fp16" if precision == "auto" else precision)
    else:
        model = load_model(path, precision)
        if precision == "auto" and INT8_ROLE in model.files:
            why += ", int8 since the bundle has it"
    try:
        backend = open_backend(model, name, setup)
    except BundleError as error:
        # It has no samples to compare on: the CPU runs it all the same.
        raise BackendError(str(error)) from error
    return Opened(replace(model, files={}), backend, f"{name}: {why}")
