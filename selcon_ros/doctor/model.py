"""The model bundle, and what runs it here."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

import selcon_ros
from selcon_ros.core.errors import SelconError
from selcon_ros.core.grounding.bundle import default_bundle_path, load_bundle
from selcon_ros.doctor.check import Check, fail, ok, warn

FIRST_TELEMETRY_VERSION = (1, 29)
"""The first ONNX Runtime that reports its use to its maker on Linux."""


def check_model(bundle: Path | None, backend: str) -> Iterator[Check]:
    """Verify the bundle's hashes, open it as the node would, and run it once.

    `bundle` None is the packaged one. `backend` is as the node's parameter.
    """
    path = bundle or default_bundle_path()
    try:
        manifest = load_bundle(path).manifest
    except SelconError as error:
        yield fail("bundle", str(error), "get the bundle again, or name another one with --bundle")
        return
    said = f"{manifest.name}, {len(manifest.files)} files with the right hashes, in {path}"
    warning = manifest.data_warning
    yield warn("bundle", f"{said}; {warning}") if warning else ok("bundle", said)
    yield _telemetry()
    yield _openvino()
    yield from _engine(path, backend)


def _engine(path: Path, backend: str) -> Iterator[Check]:
    try:
        with selcon_ros.load(path, backend) as model:
            for failure in model.failures:
                yield warn("engine", failure)
            image = np.zeros((480, 640, 3), np.uint8)
            times = []
            for _ in range(5):
                start = time.perf_counter()
                model.ground(image)
                times.append(time.perf_counter() - start)
            yield ok("engine", f"{model.why}; {1e3 * sorted(times)[2]:.0f} ms a frame")
    except SelconError as error:
        yield fail(
            "engine", str(error), "pip install --force-reinstall onnxruntime, or choose another --backend"
        )


def _openvino() -> Check:
    """What is installed of it; whether it is used, and why, is said of the engine."""
    name = "OpenVINO"
    try:
        return ok(name, f"{version('openvino')}; used where it is at least 1.3 times faster")
    except PackageNotFoundError:
        return ok(name, "not installed; it may be faster on this CPU: pip install 'selcon_ros[openvino]'")


def _telemetry() -> Check:
    name, setting = "telemetry", os.environ.get("ORT_DISABLE_TELEMETRY", "")
    try:
        numbers = tuple(int(part) for part in version("onnxruntime").split(".")[:2])
    except (PackageNotFoundError, ValueError):
        numbers = FIRST_TELEMETRY_VERSION  # of another package, such as onnxruntime-gpu
    if numbers < FIRST_TELEMETRY_VERSION:
        return ok(name, "this ONNX Runtime has none")
    if setting == "1":
        return ok(name, "ONNX Runtime's is off")
    return warn(
        name,
        f"ORT_DISABLE_TELEMETRY is {setting}: ONNX Runtime reports its use to its maker",
        "unset ORT_DISABLE_TELEMETRY",
    )
