"""The bond with a lifecycle manager: heartbeats while the node is active."""

import sys

import pytest
from lifecycle_msgs.msg import State

from support.lifecycle import ACTIVATE, CONFIGURE, DEACTIVATE


@pytest.fixture
def bond(managed):
    """A managed node, its manager, the bond's messages as they come, and how the manager sends one."""
    kind = pytest.importorskip(
        "bond.msg",
        reason="bond is missing: ros-$ROS_DISTRO-bond, or tools/build_interfaces.py test/ros/bond_messages",
    ).Status

    def begin(**options):
        robot, _, manager = managed(**options)
        heard = []
        robot.create_subscription(kind, "bond", heard.append, 10)
        sister = robot.create_publisher(kind, "bond", 5)
        robot.until(lambda: sister.get_subscription_count() == 2, "the node's end of the bond")
        return robot, manager, heard, lambda **values: sister.publish(kind(instance_id="manager", **values))

    return begin


def test_an_active_node_sends_heartbeats_to_its_manager(bond):
    robot, manager, heard, _ = bond(bond_heartbeat_period=0.05)
    assert manager(CONFIGURE)
    robot.spin(0.3)
    assert heard == []
    assert manager(ACTIVATE)
    robot.until(lambda: len(heard) > 4, "heartbeats")
    assert {(each.id, each.active) for each in heard} == {("grounding", True)}
    (instance,) = {each.instance_id for each in heard}
    assert heard[0].heartbeat_period == pytest.approx(0.05) and heard[0].header.stamp.sec > 0

    assert manager(DEACTIVATE)
    robot.until(lambda: not heard[-1].active, "the bond's end")
    count = len(heard)
    robot.spin(0.3)
    assert len(heard) == count
    assert manager(ACTIVATE)
    robot.until(lambda: heard[-1].active and heard[-1].instance_id != instance, "another bond")


def test_a_bond_that_the_manager_ends_is_answered_and_the_node_goes_on(bond):
    robot, manager, heard, send = bond(bond_heartbeat_period=0.05)
    assert manager(CONFIGURE) and manager(ACTIVATE)
    send(id="another", active=False)
    robot.until(lambda: sum(each.active for each in heard) > 4, "heartbeats")
    send(id="grounding", active=False)
    robot.until(lambda: heard[-1].instance_id != "manager" and not heard[-1].active, "an answer")
    # A manager that has missed it hears it again.
    count = len(heard)
    send(id="grounding", active=True)
    robot.until(lambda: len(heard) > count + 1, "another answer")
    assert not heard[-1].active and manager.now == State.PRIMARY_STATE_ACTIVE


def test_without_the_package_bond_the_node_says_what_to_do(managed, monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "bond.msg", None)
    _, _, manager = managed(action="hold")
    assert manager(CONFIGURE) and manager(ACTIVATE) and manager(DEACTIVATE)
    assert "install ros-$ROS_DISTRO-bond, or set the manager's bond_timeout" in capfd.readouterr().err
