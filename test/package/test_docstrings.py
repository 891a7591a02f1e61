"""Docstrings are prose, without the fields of Sphinx."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("selcon_ros", "training", "benchmarks", "experiments", "test", "tools", "launch")
FIELD = re.compile(r"^\s*:(param|returns?|raises)\b", re.MULTILINE)


def test_no_docstring_has_fields() -> None:
    files = [*ROOT.glob("*.py"), *(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))]
    assert len(files) > 900
    found = [str(file.relative_to(ROOT)) for file in files if FIELD.search(file.read_text(encoding="utf-8"))]
    assert not found, f"write these docstrings as prose (CONTRIBUTING.md, Style): {sorted(found)}"
