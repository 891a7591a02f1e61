"""What tells one processor from another."""

from pathlib import Path

import pytest

from selcon_ros.core.machine.processor import processor

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
