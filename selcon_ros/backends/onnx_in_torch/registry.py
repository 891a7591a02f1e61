"""How ONNX operators are written in torch, and the tables that they are entered in.

A function takes the node's attributes and its inputs in order (None: left out) and returns the output, or a
tuple of them. ONNX does not mix types within an operator, so torch's type promotion never comes in.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import Tensor

OPSETS = range(13, 22)

Attributes = Mapping[str, Any]
Output = Tensor | tuple[Tensor, ...]
Compute = Callable[..., Output]


class Operator(NamedTuple):
    """`on_host`: positions of inputs that say how to compute, such as shapes; they come as CPU tensors."""

    compute: Compute
    on_host: tuple[int, ...] = ()


class Operators(dict[str, Operator]):
    """Operators by the names that they have in ONNX."""

    def enter(self, name: str, *on_host: int) -> Callable[[Compute], Compute]:
        """Return the decorator of a function that is this operator."""

        def add(compute: Compute) -> Compute:
            self[name] = Operator(compute, on_host)
            return compute

        return add
