"""Parameters: described, ranged, validated at start and later."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rclpy.node import Node
from rclpy.parameter import Parameter

from selcon_ros.core.errors import ParameterError, SelconError
from selcon_ros.core.grasps.grasp import GraspParameters
from selcon_ros.ros.node_parameters import NodeParameters, descriptors, unknown_overrides
from selcon_ros.ros.parameters import SETTINGS_FIELDS, Settings, checked, unknown
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
    settings = NodeParameters(make_node(), print).current
    assert settings == Settings()
    assert settings.grasp == GraspParameters()


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_described(make_node, name):
    node = make_node()
    NodeParameters(node, print)
    descriptor = node.describe_parameter(name)
    assert len(descriptor.description) > 10 and descriptor.description.endswith(".")
    default = getattr(Settings(), name)
    if isinstance(default, float):
        limits = descriptor.floating_point_range[0]
        assert limits.from_value <= default <= limits.to_value
    elif name == "image_turn":
        assert descriptor.additional_constraints == "one of 0, 90, 180, 270"
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
    grasp = NodeParameters(make_node(**changes), print).current.grasp
    assert len(changes) == len(fields(GraspParameters))
    for name, value in changes.items():
        assert getattr(grasp, {"gripper_width": "max_width"}.get(name, name)) == value


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"min_confidence": 1.5}, "min_confidence.*1.5"),
        ({"min_confidence": "high"}, "parameter min_confidence must be of type float"),
        ({"min_confidence": True}, "parameter min_confidence must be of type float: got True"),
        ({"min_confidence": float("nan")}, "min_confidence is nan, must be from 0 to 1"),
        ({"min_confidence": 1.0000001}, "min_confidence is 1.0000001, must be from 0 to 1"),
        ({"max_points": 2.0}, "parameter max_points must be of type int: got 2.0"),
        ({"max_points": True}, "parameter max_points must be of type int: got True"),
        ({"rectified": 1}, "parameter rectified must be of type bool: got 1"),
        ({"threshold": None}, "parameter threshold must be of type float: it has no value"),
        ({"action": True}, """action must be of type str: got True, .* quotes twice: -p "action:='...'\""""),
        ({"bundle": 20.10}, "bundle must be of type str: got 20.1, .* quotes twice"),
        ({"bundle": ["a", "b"]}, r"bundle must be of type str: got \['a', 'b'\]"),
        ({"max_points": 0}, "max_points.*0"),
        ({"image_turn": 45}, "parameter image_turn is 45, must be one of 0, 90, 180, 270"),
        ({"image_turn": "upside down"}, "parameter image_turn must be of type int: got 'upside down'"),
        ({"image_transport": "theora"}, "image_transport is 'theora', must be one of raw, compressed"),
    ],
)
def test_a_wrong_value_at_start_is_named(make_node, values, says):
    with pytest.raises(SelconError, match=says):
        NodeParameters(make_node(**values), print)


def test_a_wrong_value_later_is_refused_with_a_reason(make_node):
    node = make_node()
    parameters = NodeParameters(node, print, configured=lambda: True)
    for name, value in (
        ("gripper_width", -1.0),
        ("gripper_width", float("nan")),
        ("gripper_width", 100.00001),
        ("max_points", 1000),
        ("max_points", 2.0),
        ("bundle", "x"),
    ):
        result = node.set_parameters([Parameter(name, value=value)])[0]
        assert not result.successful and result.reason
    before = parameters.current
    assert before == Settings()
    assert node.set_parameters([Parameter("gripper_width", value=0.08)])[0].successful
    # A new snapshot, which agrees with ROS; who holds the old one keeps its values.
    assert parameters.current.gripper_width == node.get_parameter("gripper_width").value == 0.08
    assert parameters.current.grasp.max_width == 0.08 and before.grasp.max_width == 0.10


def test_what_cannot_change_while_running_is_read_only():
    fixed = {name for name, descriptor in descriptors().items() if descriptor.read_only}
    assert fixed == {
        "autostart", "bond_heartbeat_period", "image_transport", "depth_transport", "diagnostics_period",
        "target_frame", "read_only_parameters",
    }  # fmt: skip


def test_whole_numbers_are_taken_for_fractions_and_for_text(make_node):
    node = make_node(max_frame_age=1, cores=3, bundle=2024)
    parameters = NodeParameters(node, print)
    settings = parameters.current
    assert (settings.max_frame_age, settings.cores, settings.bundle) == (1.0, "3", "2024")
    assert type(settings.max_frame_age) is float
    assert node.set_parameters([Parameter("max_frame_age", value=2)])[0].successful
    assert parameters.current.max_frame_age == 2.0 and type(parameters.current.max_frame_age) is float
    assert not node.set_parameters([Parameter("max_frame_age", value=-1)])[0].successful


VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text())


@given(st.sampled_from(sorted(SETTINGS_FIELDS)), VALUES)
def test_what_is_taken_fits_and_what_is_not_is_named_on_one_line(name, value):
    try:
        taken = checked(name, value)
    except SelconError as error:
        assert name in str(error) and len(str(error)) < 400 and str(error).isprintable()
        return
    about = SETTINGS_FIELDS[name].metadata
    assert type(taken) is type(SETTINGS_FIELDS[name].default)
    assert about["low"] is None or about["low"] <= taken <= about["high"]
    assert not about["choices"] or taken in about["choices"]
    assert checked(name, taken) == taken


def test_refused_together_nothing_is_set_and_no_action_is_begun(make_node):
    node, said = make_node(), []
    parameters = NodeParameters(node, said.append)
    both = [Parameter("action", value="hold"), Parameter("threshold", value=7.0)]
    assert not node.set_parameters_atomically(both).successful
    assert said == [] and parameters.current == Settings()
    assert node.set_parameters([Parameter("action", value="hold")])[0].successful
    assert said == ["hold"]


def test_names_that_are_no_parameters_are_told(make_node):
    qos = "qos_overrides./image.subscription.depth"
    node = make_node(**{"treshold": 0.5, "use_sim_time": False, qos: 3, "max_points": 1})
    NodeParameters(node, print)
    assert unknown_overrides(node) == (
        "this node has no parameter 'treshold' (did you mean threshold?): what is given for it has no effect"
    )


def test_many_such_names_are_cut():
    said = unknown([f"x{number}" * 500 for number in range(100)])
    assert "and 95 more" in said and len(said) < 600
    assert unknown(["use_sim_time", "start_type_description_service", *SETTINGS_FIELDS]) == ""


def test_chosen_parameters_are_read_only(make_node):
    node = make_node(read_only_parameters=" threshold,min_points,", threshold=0.6)
    parameters = NodeParameters(node, print)
    for name, value in (
        ("threshold", 0.7),
        ("min_points", 50),
        ("image_transport", "raw"),
        ("read_only_parameters", ""),
    ):
        result = node.set_parameters([Parameter(name, value=value)])[0]
        assert not result.successful and "read-only" in result.reason
    assert node.set_parameters([Parameter("max_points", value=7)])[0].successful
    assert (parameters.current.threshold, parameters.current.max_points) == (0.6, 7)
    assert (
        node.describe_parameter("threshold").read_only and not node.describe_parameter("max_points").read_only
    )


def test_all_parameters_are_read_only(make_node):
    node = make_node(read_only_parameters="*")
    NodeParameters(node, print)
    assert all(node.describe_parameter(name).read_only for name in NAMES)


def test_a_read_only_parameter_that_is_none_is_refused(make_node):
    with pytest.raises(ParameterError, match=r"no parameter 'treshold' \(did you mean threshold\?\)"):
        NodeParameters(make_node(read_only_parameters="treshold,action"), print)
