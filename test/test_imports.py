"""The contracts of pyproject.toml on who may import whom are kept."""

from pathlib import Path

import pytest

importlinter = pytest.importorskip("importlinter.cli", reason="no import-linter: pip install import-linter")
ROOT = Path(__file__).parents[1]


def test_imports_point_one_way(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "training"))
    monkeypatch.chdir(ROOT)
    failed = importlinter.lint_imports(no_cache=True)
    assert not failed, capsys.readouterr().out
