"""An ONNX graph as torch computes it: what depends on no image is computed once, the rest step by step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from selcon_ros.backends.onnx_in_torch.parsing import Node, Value, parse
from selcon_ros.core.errors import BackendError, first_line

# It is there without CUDA too.
NO_MEMORY = torch.cuda.OutOfMemoryError

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class _Step:
    """A node at work: its arguments are names of values, or constants; `last` are not needed after it."""

    node: Node
    arguments: tuple[str | Tensor | None, ...]
    last: tuple[str, ...] = ()

    def run(self, values: dict[str, Tensor]) -> None:
        """Add the node's outputs to `values`, and take out what is not needed any more."""
        arguments = [values[each] if isinstance(each, str) else each for each in self.arguments]
        values.update(_outputs(self.node, arguments))
        for name in self.last:
            del values[name]


class ShapedProgram:
    """The steps left for inputs of certain shapes. None of them waits for the device or reads from it."""

    def __init__(self, steps: Sequence[_Step], outputs: Mapping[str, str | Tensor]) -> None:
        self._steps = steps
        self._outputs = outputs

    @torch.inference_mode()
    def run(self, inputs: Tensors) -> dict[str, Tensor]:
        """Return the outputs for inputs of the plan's shapes, all on its device."""
        values = dict(inputs)
        for step in self._steps:
            step.run(values)
        return {name: values[got] if isinstance(got, str) else got for name, got in self._outputs.items()}


class Program:
    """A graph with its constants on a device.

    `wanted` are the outputs to compute (None: all), `precision` replaces every floating point type. Raises
    BackendError for a model that cannot be run, naming it by `subject`.
    """

    def __init__(
        self,
        model: bytes,
        subject: str,
        device: str = "cpu",
        wanted: Sequence[str] | None = None,
        precision: torch.dtype | None = None,
    ) -> None:
        graph = parse(model, subject, precision)
        self.inputs: dict[str, Value] = graph.inputs
        self.subject = subject
        self._device = torch.device(device)
        self._wanted = graph.outputs if wanted is None else list(wanted)
        missing = [name for name in self._wanted if name not in graph.outputs]
        if missing:
            raise BackendError(f"{subject}: it lacks the outputs {missing}, it has {graph.outputs}")
        self._host: dict[str, Tensor | None] = {"": None, **graph.constants}
        self._nodes = self._folded(_needed(graph.nodes, self._wanted))
        used = {"", *self._wanted}.union(*(node.inputs for node in self._nodes))
        self._host = {name: value for name, value in self._host.items() if name in used}
        self._by_shape = self._decided_by_shape()
        self._placed = self._on_device()

    @property
    def half(self) -> bool:
        """Whether it computes in half precision, at least in parts."""
        return any(each.dtype == torch.float16 for each in self._placed.values())

    @torch.inference_mode()
    def plan(self, inputs: Tensors) -> ShapedProgram:
        """Return the plan for inputs of these types and shapes, on the device, having run them once.

        Raises BackendError where they do not fit the graph's own, or an operator does not work on them.
        """
        self._check(inputs)
        host, values, steps = dict(self._host), dict(inputs), []
        last = _last_uses([node.inputs for node in self._nodes], self._wanted)
        for node, unneeded in zip(self._nodes, last, strict=True):
            if node.outputs[0] in self._by_shape:
                host.update(self._try(node, [host[n] if n in host else values[n] for n in node.inputs]))
            else:
                step = _Step(node, tuple(self._argument(node, i, host) for i in range(len(node.inputs))))
                arguments = [values[each] if isinstance(each, str) else each for each in step.arguments]
                values.update(self._try(node, arguments))
                steps.append(step)
            for name in unneeded:
                values.pop(name, None)
        outputs: dict[str, str | Tensor] = {}
        for name in self._wanted:
            known = host.get(name)
            outputs[name] = name if known is None else known.to(self._device)
        return ShapedProgram(_freeing(steps, self._wanted), outputs)

    def _check(self, inputs: Tensors) -> None:
        if {*inputs} != {*self.inputs}:
            raise BackendError(f"{self.subject}: its inputs are {list(self.inputs)}, got {list(inputs)}")
        for name, declared in self.inputs.items():
            shape = tuple(inputs[name].shape)
            if inputs[name].dtype != declared.type or not declared.fits(shape):
                raise BackendError(
                    f"{self.subject}: input '{name}' is {inputs[name].dtype} {shape}, "
                    f"it must be {declared.type} {declared.shape}"
                )

    def _folded(self, nodes: Iterable[Node]) -> list[Node]:
        """Compute all that depends on no input, and return the nodes left."""
        left = []
        for node in nodes:
            if all(name in self._host for name in node.inputs):
                self._host.update(self._try(node, [self._host[name] for name in node.inputs]))
            else:
                left.append(node)
        return left

    def _decided_by_shape(self) -> set[str]:
        """Return what is known as soon as the shapes of all inputs are."""
        found: set[str] = set()
        for node in self._nodes:
            if node.operator == "Shape" or all(name in self._host or name in found for name in node.inputs):
                found.update(node.outputs)
        return found

    def _on_device(self) -> dict[str, Tensor]:
        """Return the constants that are computed with, on the device."""
        placed: dict[str, Tensor] = {}
        for node in self._nodes:
            if node.outputs[0] in self._by_shape:
                continue
            for position, name in enumerate(node.inputs):
                value = self._host.get(name)
                if value is not None and position not in node.on_host and name not in placed:
                    placed[name] = value.to(self._device)
        return placed

    def _argument(self, node: Node, position: int, host: Mapping[str, Tensor | None]) -> str | Tensor | None:
        name = node.inputs[position]
        if position in node.on_host:
            if name not in host:
                raise BackendError(
                    f"{self.subject}: node '{node.name}' ({node.operator}) computes a shape, '{name}', from "
                    "what is in the image: torch runs it if shapes depend on the image's size alone"
                )
            return host[name]
        if name in self._placed:
            return self._placed[name]
        if name not in host:
            return name
        value = host[name]
        return None if value is None else value.to(self._device)

    def _try(self, node: Node, arguments: Sequence[Tensor | None]) -> dict[str, Tensor]:
        try:
            return _outputs(node, arguments)
        except NO_MEMORY:
            raise
        except Exception as error:  # torch raises many kinds for what does not fit together
            raise BackendError(
                f"{self.subject}: node '{node.name}' ({node.operator}) fails in torch: {first_line(error)}"
            ) from error


def reference(
    model: bytes, inputs: Mapping[str, NDArray[np.generic]], subject: str = "the graph"
) -> dict[str, NDArray[np.float64]]:
    """Return a graph's outputs computed in double precision throughout, on the CPU.

    Floating point constants and inputs become float64, and so does what the graph casts to such a type: this
    is what the graph means, without the rounding of any engine. A graph in half precision keeps its rounded
    weights; one that resizes images may round ties of pixels to the other side than in single precision.
    Raises BackendError as Program does.
    """
    program = Program(model, subject, precision=torch.float64)
    given = {name: torch.from_numpy(np.array(value)) for name, value in inputs.items()}
    given = {name: each.double() if each.is_floating_point() else each for name, each in given.items()}
    return {name: each.double().numpy() for name, each in program.plan(given).run(given).items()}


def _outputs(node: Node, arguments: Sequence[Tensor | None]) -> dict[str, Tensor]:
    found = node.compute(node.attributes, *arguments)
    named = dict(zip(node.outputs, (found,) if isinstance(found, Tensor) else found, strict=True))
    return {name: value for name, value in named.items() if name}


def _needed(nodes: Sequence[Node], wanted: Iterable[str]) -> list[Node]:
    """Return the nodes that the wanted values depend on."""
    names, kept = {*wanted}, []
    for node in reversed(nodes):
        if names & {*node.outputs}:
            names.update(node.inputs)
            kept.append(node)
    return kept[::-1]


def _last_uses(uses: Sequence[Iterable[str]], kept: Iterable[str]) -> list[tuple[str, ...]]:
    """Return for each step of which it uses which names, those that none after it does; but not `kept`."""
    later, last = {*kept}, []
    for names in reversed(uses):
        last.append(tuple({*names} - later))
        later.update(names)
    return last[::-1]


def _freeing(steps: Sequence[_Step], kept: Iterable[str]) -> list[_Step]:
    last = _last_uses([[each for each in step.arguments if isinstance(each, str)] for step in steps], kept)
    return [_Step(step.node, step.arguments, names) for step, names in zip(steps, last, strict=True)]
