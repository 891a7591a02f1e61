"""Parameters: described, ranged, validated at start and later."""

from dataclasses import fields

import pytest
from rclpy.node import Node
from rclpy.parameter import Parameter

from selcon_ros.core.errors import SelconError
from selcon_ros.core.grasp import GraspParameters
from selcon_ros.ros.parameters import Settings, declare, descriptors, read
from support import ros

NAMES = [each.name for each in fields(Settings)]


@pytest.fixture
def make_node():
    with ros.context() as context:
        nodes = []

        def make(**values):
            overrides = [Parameter(name, value=value) for name, value in values.items()]
            nodes.append(Node("someone", context=context, parameter_overrides=overrides))
            return nodes[-1]

        yield make
        for node in nodes:
            node.destroy_node()


def test_defaults_are_those_of_the_table_and_of_the_grasp_search(make_node):
    settings = declare(make_node())
    assert settings == Settings()
    assert settings.grasp == GraspParameters()


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_described(make_node, name):
    node = make_node()
    declare(node)
    descriptor = node.describe_parameter(name)
    assert len(descriptor.description) > 10 and descriptor.description.endswith(".")
    default = getattr(Settings(), name)
    if isinstance(default, float):
        limits = descriptor.floating_point_range[0]
        assert limits.from_value <= default <= limits.to_value
    elif isinstance(default, int) and not isinstance(default, bool):
        limits = descriptor.integer_range[0]
        assert limits.from_value <= default <= limits.to_value


def test_every_grasp_parameter_can_be_set(make_node):
    changes = {
        "gripper_width": 0.07,
        "threshold": 0.4,
        "min_confidence": 0.1,
        "min_contrast": 0.3,
        "max_points": 5,
    }
    changes |= {"min_points": 50, "smoothing": 1.0, "window": 9, "depth_step": 0.02, "support_height": 0.01}
    grasp = declare(make_node(**changes)).grasp
    assert len(changes) == len(fields(GraspParameters))
    for name, value in changes.items():
        assert getattr(grasp, {"gripper_width": "max_width"}.get(name, name)) == value


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"min_confidence": 1.5}, "min_confidence.*1.5"),
        ({"min_confidence": "high"}, "parameter min_confidence must be of type float"),
        ({"min_confidence": 1}, "parameter min_confidence must be of type float"),
        ({"min_confidence": float("nan")}, "min_confidence.*nan"),
        ({"max_points": 0}, "max_points.*0"),
        ({"image_transport": "theora"}, "image_transport is 'theora', must be one of raw, compressed"),
    ],
)
def test_a_wrong_value_at_start_is_named(make_node, values, says):
    with pytest.raises(SelconError, match=says):
        declare(make_node(**values))


def test_a_wrong_value_later_is_refused_with_a_reason(make_node):
    node = make_node()
    declare(node)
    for name, value in (
        ("gripper_width", -1.0),
        ("gripper_width", float("nan")),
        ("max_points", 1000),
        ("bundle", "x"),
    ):
        result = node.set_parameters([Parameter(name, value=value)])[0]
        assert not result.successful and result.reason
    assert read(node) == Settings()
    assert node.set_parameters([Parameter("gripper_width", value=0.08)])[0].successful
    assert read(node).gripper_width == 0.08


def test_what_cannot_change_while_running_is_read_only():
    fixed = {name for name, descriptor in descriptors().items() if descriptor.read_only}
    assert fixed == {
        "bundle", "backend", "precision", "build_engine", "engine_cache", "device", "threads", "cores",
        "spinning", "warm_up", "action", "image_transport", "depth_transport", "diagnostics_period",
    }  # fmt: skip
