"""What a process and the GPU have in use."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from selcon_ros.bench.machine import ask_driver


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used up to now (proc(5): utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Memory:
    """Bytes of a process that are in RAM (proc(5): RssFile, RssShmem, RssAnon).

    files: code and data of libraries; shared: segments shared with other processes; own: the rest.
    """

    files: int
    shared: int
    own: int

    @property
    def resident(self) -> int:
        """All of them: what `ps` and `top` call RSS."""
        return self.files + self.shared + self.own

    @staticmethod
    def of(pid: int) -> Memory:
        """Of a process that runs."""
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
        fields = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
        return Memory(*(int(fields[name][0]) << 10 for name in ("RssFile", "RssShmem", "RssAnon")))


def gpu_memory() -> int | None:
    """Bytes in use on the first NVIDIA GPU, by whatever program; None without one."""
    found = ask_driver("memory.used")
    return int(found) << 20 if found and found.isdigit() else None
