"""A torch module as an ONNX graph, compared with torch."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnxruntime
import torch
from torch import Tensor, nn

from selcon_training.encoders.attention import spelled_out
from selcon_training.encoders.same_padding import fixed_padding
from selcon_training.errors import ExportError
from selcon_training.models.network import MAX_DEVIATION, relative_deviation

OPSET = 17
_CPU = "CPUExecutionProvider"
BATCH_AXIS = "images"
"""Name of the axis that counts images."""


def trace_graph(
    module: nn.Module,
    inputs: Mapping[str, Tensor],
    outputs: Sequence[str],
    dynamic: Mapping[str, Mapping[int, str]] | None = None,
    again: Mapping[str, Tensor] | None = None,
) -> bytes:
    """Return the ONNX graph of `module`, in evaluation mode on the CPU, traced with example `inputs`.

    `dynamic` names axes that may have another size, by input or output; `again` are inputs that have,
    compared too. Raises ExportError if ONNX Runtime's outputs deviate from torch's by more than 1e-4 of
    their largest value.
    """
    content = trace(module, inputs, outputs, dynamic)
    for example in (inputs, again):
        if example is not None:
            _compare(module, content, example, outputs)
    return content


def trace(
    module: nn.Module,
    inputs: Mapping[str, Tensor],
    outputs: Sequence[str],
    dynamic: Mapping[str, Mapping[int, str]] | None,
) -> bytes:
    """Return the ONNX graph of `module` as traced with `inputs`, not compared with anything."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # The tracer warns of every shape that becomes a constant: the input size is fixed, so they are meant
        # to.
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # type: ignore[attr-defined]
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=UserWarning, module="torch.onnx")
        file = Path(folder) / "model.onnx"
        with torch.no_grad(), spelled_out(module), fixed_padding(module):
            torch.onnx.export(
                module,
                tuple(inputs.values()),
                str(file),
                input_names=list(inputs),
                output_names=list(outputs),
                opset_version=OPSET,
                dynamo=False,
                do_constant_folding=True,
                dynamic_axes={name: dict(axes) for name, axes in (dynamic or {}).items()},
            )
        return file.read_bytes()


def _compare(module: nn.Module, content: bytes, inputs: Mapping[str, Tensor], outputs: Sequence[str]) -> None:
    with torch.no_grad():
        found = module(*inputs.values())
    expected = [value.numpy() for value in (found if isinstance(found, tuple) else (found,))]
    session = onnxruntime.InferenceSession(content, providers=[_CPU])
    given = session.run(list(outputs), {name: value.numpy() for name, value in inputs.items()})
    for output, ours, theirs in zip(outputs, given, expected, strict=True):
        if ours.shape != theirs.shape:
            raise ExportError(
                f"exported output '{output}' has the shape {ours.shape}, torch gives {theirs.shape}"
            )
        deviation = relative_deviation(ours, theirs)
        if not deviation <= MAX_DEVIATION:  # NaN counts as a deviation
            raise ExportError(
                f"exported output '{output}' deviates from torch by {deviation:.2e} of its largest value "
                f"(allowed: {MAX_DEVIATION:.0e}); the bundle was not written"
            )
