"""What tests of the running graph share."""

from pathlib import Path

import pytest


@pytest.fixture
def own_domain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A ROS domain of the test's own, with time to answer: a busy machine is no fault."""
    from selcon_ros.ros import running_nodes
    from support import ros

    for name, value in {**ros.ENVIRONMENT, "ROS_LOG_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(running_nodes, "ANSWER_SECONDS", ros.TIMEOUT)
