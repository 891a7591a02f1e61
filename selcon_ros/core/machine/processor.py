"""The processor that this program runs on, as Linux describes it."""

from __future__ import annotations

import hashlib
import os
import platform
from dataclasses import dataclass
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
_NAME_FIELDS = ("model name", "Model", "cpu model")
# What tells one kind of processor from another; not its clock, which changes while it runs.
_KIND_FIELDS = (
    *("vendor_id", "cpu family", "model", "model name", "stepping", "flags"),
    *("CPU implementer", "CPU architecture", "CPU variant", "CPU part", "Features", "isa"),
)


@dataclass(frozen=True)
class Processor:
    """name: as Linux gives it, or "unknown"; kind: a digest of model and instruction sets; flags: as Linux
    names these, such as "avx512_vnni"."""

    name: str
    kind: str
    flags: frozenset[str] = frozenset()


def processor(cpu_info: Path = CPU_INFO) -> Processor:
    """Return the processor at hand. Where Linux tells nothing, its name is that of the architecture."""
    try:
        lines = cpu_info.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    pairs = [(key.strip(), value.strip()) for key, _, value in (each.partition(":") for each in lines)]
    names = [value for key, value in pairs if key in _NAME_FIELDS and value]
    # A set: one line for each core, and of two kinds of core both.
    kinds = sorted({pair for pair in pairs if pair[0] in _KIND_FIELDS})
    digest = hashlib.sha256(repr((platform.machine(), kinds)).encode()).hexdigest()
    flags = frozenset(" ".join(value for key, value in kinds if key in ("flags", "Features")).split())
    name = names[0] if names else platform.processor() or platform.machine() or "unknown"
    return Processor(name, digest, flags)


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))
