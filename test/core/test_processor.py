"""What tells one processor from another, and how much memory is left."""

import ctypes
from pathlib import Path

import pytest

from selcon_ros.core.memory import free_memory, give_back_memory
from selcon_ros.core.processor import processor
from support.memory import glibc_only, resident

X86 = """processor\t: 0
vendor_id\t: AuthenticAMD
model name\t: AMD EPYC 7B13
cpu MHz\t\t: 2450.000
flags\t\t: fpu sse avx2
"""
ARM = "processor\t: 0\nFeatures\t: fp asimd bf16\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n"


def read(tmp_path: Path, text: str):
    (tmp_path / "cpuinfo").write_text(text)
    return processor(tmp_path / "cpuinfo")


def test_a_processor_has_a_name_and_a_kind(tmp_path: Path) -> None:
    found = read(tmp_path, X86)
    assert found.name == "AMD EPYC 7B13" and found.flags == {"fpu", "sse", "avx2"}
    assert read(tmp_path, ARM).flags == {"fp", "asimd", "bf16"}
    assert read(tmp_path, X86 + X86.replace("2450", "3200")) == found


@pytest.mark.parametrize(
    ("one", "other"),
    [(X86, X86.replace("avx2", "avx2 avx512_vnni")), (X86, X86.replace("7B13", "9B14")), (X86, ARM)],
)
def test_another_processor_is_of_another_kind(tmp_path: Path, one: str, other: str) -> None:
    assert read(tmp_path, one).kind != read(tmp_path, other).kind


def test_where_nothing_is_told_there_is_a_name(tmp_path: Path) -> None:
    assert processor(tmp_path / "none").name
    assert read(tmp_path, ARM).name and processor().kind == processor().kind


@pytest.mark.parametrize(
    ("limit", "used", "free"),
    [(None, None, 4096), ("max\n", "100\n", 4096), ("3000\n", "1000\n", 2000), ("1000\n", "3000\n", 0)],
)
def test_free_memory_is_at_most_what_a_container_may_have(
    tmp_path: Path, limit: str | None, used: str | None, free: int
) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:       4 kB\n")
    for name, text in (("memory.max", limit), ("memory.current", used)):
        if text is not None:
            (tmp_path / name).write_text(text)
    assert free_memory(tmp_path / "meminfo", tmp_path) == free


def test_free_memory_of_an_unknown_system(tmp_path: Path) -> None:
    assert free_memory(tmp_path / "none", tmp_path) is None
    here = free_memory()
    assert here is not None and here > 1 << 20


@glibc_only
def test_freed_memory_is_given_back() -> None:
    """Small pieces, which stay in the heap when they are freed as long as one above them is in use."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, (ctypes.c_void_p,)
    pieces = [libc.malloc(16000) for _ in range(4000)]
    for piece in pieces:
        ctypes.memset(piece, 1, 16000)
    for piece in pieces[:-1]:
        libc.free(piece)
    before = resident()
    give_back_memory()
    assert before - resident() > 40e6  # 64 MB were freed
    libc.free(pieces[-1])
