"""Tests of bags need rclpy, for its messages, and rosbags."""

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

pytest.importorskip("rclpy", reason="rclpy is missing: pip install 'selcon_ros[ros]'")
pytest.importorskip("rosbags", reason="rosbags is missing: pip install 'selcon_ros[demo]'")

from selcon_ros.bags import run
from selcon_ros.cli.main import main


class InThisProcess:
    """A pool whose work is done at once."""

    def __init__(self, *_: Any) -> None:
        run._opened = None

    def __enter__(self) -> "InThisProcess":
        return self

    def __exit__(self, *_: Any) -> None:
        run._opened = None

    def submit(self, work: Callable[..., Any], *given: Any) -> Future[Any]:
        found: Future[Any] = Future()
        found.set_result(work(*given))
        return found

    def shutdown(self, **_: Any) -> None:
        pass


@pytest.fixture
def in_processes() -> None:
    """Let runs have processes of their own."""


@pytest.fixture(autouse=True)
def in_this_process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most runs stay in this process: a new one takes seconds to begin."""
    if "in_processes" not in request.fixturenames:
        monkeypatch.setattr(run, "ProcessPoolExecutor", InThisProcess)


@pytest.fixture
def ground(bundle: Path, tmp_path: Path) -> Callable[..., Result]:
    """Run `selcon ground-bag BAG` with the coloured model into OUT."""

    def ground(bag: Path, *given: str, out: str = "out", action: str = "hold") -> Result:
        options = ["--bundle", str(bundle), "--out", str(tmp_path / out), "--action", action]
        return CliRunner().invoke(main, ["ground-bag", str(bag), *options, *given])

    return ground
