"""How much memory is left, how threads share it, and that what is freed is given back."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from selcon_ros.core.machine.memory import MAX_ARENAS, free_memory, give_back_memory
from support.memory import glibc_only, resident


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


COUNT_HEAPS = """
import ctypes, os, sys, threading
from selcon_ros.core.machine.memory import limit_arenas
if sys.argv[1] == "limited":
    limit_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.open_memstream.restype = ctypes.c_void_p
together = threading.Barrier(8)
def allocate():
    together.wait()
    for _ in range(1000):
        libc.malloc(1000)
    together.wait()
threads = [threading.Thread(target=allocate) for _ in range(8)]
for each in threads: each.start()
for each in threads: each.join()
text, size = ctypes.c_char_p(), ctypes.c_size_t()
stream = ctypes.c_void_p(libc.open_memstream(ctypes.byref(text), ctypes.byref(size)))
libc.malloc_info(0, stream)
libc.fclose(stream)
print(text.value.count(b"<heap nr="))
"""


@glibc_only
@pytest.mark.parametrize(
    ("how", "variable", "least", "most"),
    [
        ("limited", {}, 1, MAX_ARENAS),
        ("as glibc has it", {}, 4, 9),
        ("limited", {"MALLOC_ARENA_MAX": "3"}, 3, 3),
    ],
)
def test_threads_share_two_heaps_unless_the_user_says_otherwise(
    how: str, variable: dict[str, str], least: int, most: int
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    done = subprocess.run(
        [sys.executable, "-c", COUNT_HEAPS, how],
        env=environment | variable,
        capture_output=True,
        text=True,
        check=True,
    )
    assert least <= int(done.stdout) <= most
