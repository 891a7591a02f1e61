"""The parameters on a node: declared, checked when they are set, and kept as one snapshot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from selcon_ros.core.errors import ParameterError, SelconError
from selcon_ros.ros.parameters import SETTINGS_FIELDS, Settings, checked, read_only, unknown

OnAction = Callable[[str], None]


def descriptors() -> dict[str, ParameterDescriptor]:
    """The ROS descriptor of every parameter, by name, in the order of the table."""
    found = {}
    for name, each in SETTINGS_FIELDS.items():
        about = each.metadata
        descriptor = ParameterDescriptor(name=name, read_only=about["changes"] == "start")
        descriptor.description = about["description"]
        if about["choices"]:
            descriptor.additional_constraints = f"one of {', '.join(map(str, about['choices']))}"
        if isinstance(each.default, float):
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=float(about["low"]), to_value=float(about["high"]), step=0.0)
            ]
        elif about["low"] is not None:
            descriptor.integer_range = [IntegerRange(from_value=about["low"], to_value=about["high"], step=1)]
        found[name] = descriptor
    return found


class NodeParameters:
    """The parameters of a node: declared once, and one snapshot of them that is replaced when one is set.

    `current` is immutable: its values belong together, whatever is set meanwhile.
    """

    def __init__(
        self, node: Node, on_action: OnAction, configured: Callable[[], bool] = lambda: False
    ) -> None:
        """Declare every parameter on a node, with what was given at start.

        `configured` tells whether those that change with `configure` are in use, and cannot be set.
        `on_action` is called with what `action` is set to later; it raises a SelconError to refuse it. Raises
        ParameterError for a wrong type, a value out of range, or none of the choices.
        """
        values: dict[str, Any] = {}
        for name, each in SETTINGS_FIELDS.items():
            # Without a type at first: only so can what was given be had as it is.
            given = node.declare_parameter(name, each.default, ParameterDescriptor(dynamic_typing=True))
            values[name] = checked(name, given.value)
            node.undeclare_parameter(name)
        locked = read_only(values["read_only_parameters"])
        for name, descriptor in descriptors().items():
            descriptor.read_only = name in locked
            node.declare_parameter(name, values[name], descriptor, ignore_override=True)
        self.current = Settings(**values)
        self._on_action, self._configured = on_action, configured
        node.add_on_set_parameters_callback(self._on_set)
        # From Iron on a node may change what is set before its type is checked.
        if hasattr(node, "add_pre_set_parameters_callback"):
            node.add_pre_set_parameters_callback(_with_fractions)

    def _on_set(self, parameters: list[Parameter[Any]]) -> SetParametersResult:
        """Refuse all if one of them is wrong. ROS has checked the types, but ranges with a tolerance."""
        before = self.current
        given = {each.name: each.value for each in parameters if each.name in SETTINGS_FIELDS}
        try:
            values = {name: checked(name, value) for name, value in given.items()}
            if self._configured():
                self._refuse_changes(values)
            self.current = replace(before, **values)
            if "action" in values:
                self._on_action(values["action"])  # its first answer has the other values, too
        except SelconError as error:
            self.current = before
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _refuse_changes(self, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            if SETTINGS_FIELDS[name].metadata["changes"] == "configure" and value != getattr(
                self.current, name
            ):
                raise ParameterError(
                    f"parameter {name} is in use: deactivate and clean up the node, then set it"
                )


def unknown_overrides(node: Node) -> str:
    """Say which values were given at start for names that are no parameters; "" if there are none."""
    # rclpy has no public list of them: where it keeps it elsewhere one day, nothing is said.
    return unknown(getattr(node, "_parameter_overrides", {}))


def _with_fractions(parameters: list[Parameter[Any]]) -> list[Parameter[Any]]:
    """A whole number that is set for a fraction becomes one."""
    return [
        Parameter(each.name, value=float(each.value))
        if each.type_ == Parameter.Type.INTEGER
        and each.name in SETTINGS_FIELDS
        and isinstance(SETTINGS_FIELDS[each.name].default, float)
        else each
        for each in parameters
    ]
