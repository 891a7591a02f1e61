"""What nodes say of themselves, or do not say, is told: real nodes, judged from outside."""

import pytest

pytest.importorskip("rclpy", reason="rclpy is missing: pip install 'selcon_ros[ros]'")

from diagnostic_msgs.msg import DiagnosticStatus

from selcon_ros.doctor.check import Check, CheckLevel
from selcon_ros.doctor.graph import check_graph
from selcon_ros.ros import running_nodes
from selcon_ros.ros.parameters import Settings
from support.telling import telling_node

_, WARN, FAIL = CheckLevel
pytestmark = pytest.mark.usefixtures("own_domain")


def look() -> dict[str, Check]:
    return {check.name: check for check in check_graph(None, Settings(), 1.5)}


def test_a_node_of_another_version_is_told() -> None:
    with telling_node(DiagnosticStatus.OK, min_confidence=7.0):
        found = look()
    assert found["ROS graph"].level == FAIL
    assert "min_confidence" in found["ROS graph"].found and "7.0" in found["ROS graph"].found


def test_a_node_that_says_that_it_does_not_work_fails() -> None:
    with telling_node(DiagnosticStatus.ERROR):
        found = look()
    assert found["/affordance/grounding"] == Check("/affordance/grounding", FAIL, "no disk")


def test_a_node_that_does_not_tell_its_parameters_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_nodes, "ANSWER_SECONDS", 0.5)
    with telling_node(DiagnosticStatus.OK, services=False):
        found = look()
    check = found["parameters of /affordance/grounding"]
    assert check.level == WARN and "looked at with the defaults" in check.found


def test_a_node_whose_first_answers_are_lost_is_asked_again() -> None:
    with telling_node(DiagnosticStatus.OK, lost=1):
        found = look()
    assert "parameters of /affordance/grounding" not in found
