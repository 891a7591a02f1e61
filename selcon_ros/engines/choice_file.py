"""The file beside the engines that keeps what was measured on a CPU: found, read and written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import selcon_ros
from selcon_ros.backends import openvino
from selcon_ros.backends.base import CPU_BACKEND, OPENVINO
from selcon_ros.backends.options import CpuOptions, thread_count
from selcon_ros.core.errors import BackendError, EngineError
from selcon_ros.core.grounding.manifest import Manifest
from selcon_ros.core.machine.processor import processor, usable_cores
from selcon_ros.engines.choice_record import ChoiceKey, ChoiceRecord, read_choice, write_choice
from selcon_ros.engines.cpu_candidates import CpuCandidate
from selcon_ros.engines.folder import default_folder


@dataclass(frozen=True)
class Kept:
    """What is known from before.

    key: of what it is asked; record: what was measured, None where nothing was; file: for it, None where
    there can be none; remark: what to say of that.
    """

    key: ChoiceKey
    record: ChoiceRecord | None
    file: Path | None
    remark: str = ""


def look_up(
    manifest: Manifest, able: Sequence[CpuCandidate], options: CpuOptions, cache: Path | None
) -> Kept:
    """Look for what was measured of these candidates here, in the folder `cache` (None: the user's)."""
    here = processor()
    key = ChoiceKey(
        graphs={each.label: manifest.files[each.role].sha256 for each in able},
        processor=here.name,
        kind=here.kind,
        cores=usable_cores(),
        threads=thread_count(options.threads),
        spinning=options.spinning,
        engines={each.backend: engine_version(each.backend) for each in able},
        selcon_ros=selcon_ros.__version__,
    )
    try:
        file = key.path(cache or default_folder(), manifest.name)
    except BackendError as error:
        return Kept(key, None, None, f"not kept: {error}")
    if not os.path.lexists(file):
        return Kept(key, None, file)
    try:
        return Kept(key, read_choice(file, key), file)
    except EngineError as error:
        return Kept(key, None, file, f"again, for {error}")


def keep(kept: Kept, record: ChoiceRecord) -> str:
    """Write the record; return in words where it is, or why it is not."""
    if kept.file is None:
        return ""
    try:
        write_choice(kept.file, record)
    except OSError as error:
        return f"not kept, so that each start measures: {kept.file}: {error.strerror or error}"
    return f"kept in {kept.file}"


def engine_version(backend: str) -> str:
    """Return the version of a CPU backend's library, "" without it: opening it says so."""
    if backend == OPENVINO:
        return openvino.installed_version() or ""
    assert backend == CPU_BACKEND
    try:
        import onnxruntime
    except ImportError:
        return ""
    return str(onnxruntime.__version__)
