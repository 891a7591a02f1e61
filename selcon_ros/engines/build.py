"""From a prepared graph to the bytes of an engine."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from selcon_ros.backends.options import Progress
from selcon_ros.backends.tensorrt_library import EngineLibrary, LibraryErrors
from selcon_ros.core.errors import BackendError, Cancelled, first_line
from selcon_ros.core.grounding.preprocess import COLUMNS, FRAMES, ROWS
from selcon_ros.engines.record import Range

USUAL_CAMERA_SIZE = (480, 640)
"""Camera image (H, W) that kernels are chosen for."""
_COMPUTING_LAYERS = (
    "MATRIX_MULTIPLY", "CONVOLUTION", "ELEMENTWISE", "UNARY", "ACTIVATION", "SOFTMAX", "NORMALIZATION",
    "REDUCE",
)  # fmt: skip


@dataclass(frozen=True)
class Built:
    """An engine; `layers`: how many of those that compute have which type; `timings`: the timing cache."""

    engine: bytes
    layers: dict[str, int]
    timings: bytes


@dataclass(frozen=True)
class Shapes:
    """input_size: of the network (h, w); batch: images at once; camera: largest camera image (H, W)."""

    input_size: tuple[int, int]
    batch: Range
    camera: tuple[int, int]


def build_engine(
    library: EngineLibrary,
    graph: bytes,
    shapes: Shapes,
    compute: Sequence[str],
    progress: Progress,
    timings: bytes = b"",
) -> Built:
    """Build an engine of a graph with the inputs of `preprocess_graph.with_frames`.

    compute: compute capabilities to build for ahead; empty: the GPU at hand. progress: told the phase and
    the share done, 0..1. Raises BackendError, with the operator or the library's reason, where it cannot be
    built; at the library's next step Cancelled where `progress` does, KeyboardInterrupt after Ctrl-C.
    """
    monitor = _monitor(library.load(), progress)
    with _interrupting(monitor):
        built = _build(library, graph, shapes, compute, monitor, timings)
    progress("engine built", 1.0)
    return built


def layer_types(network: Any) -> dict[str, int]:
    """Return how many of a network's layers that compute have which type ("half", "float", "int8").

    The network is strongly typed: the engine computes each layer in the type that it has here.
    """
    counts: dict[str, int] = {}
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    # What multiplies dequantised numbers is fused with that: it multiplies the integers.
    integers = {layer.get_output(0).name for layer in layers if layer.type.name == "DEQUANTIZE"}
    for layer in layers:
        name = layer.get_output(0).dtype.name.lower()
        if layer.num_inputs and layer.type.name == "MATRIX_MULTIPLY" and layer.get_input(0).name in integers:
            name = "int8"
        if layer.type.name in _COMPUTING_LAYERS and not name.startswith(("int6", "int3", "bool")):
            counts[name] = counts.get(name, 0) + 1
    return counts


def _build(
    library: EngineLibrary,
    graph: bytes,
    shapes: Shapes,
    compute: Sequence[str],
    monitor: Any,
    timings: bytes,
) -> Built:
    trt = library.load()
    messages = LibraryErrors(library)
    builder = trt.Builder(messages.logger)
    if builder is None or not hasattr(builder, "create_builder_config"):
        raise messages.error("cannot start")
    # The parser owns the weights that the network refers to.
    network, _parser = _parse(library, builder, messages, graph)
    config = builder.create_builder_config()
    # Single precision is to be single precision: TF32 has 10 bits of it.
    config.clear_flag(trt.BuilderFlag.TF32)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    if compute:
        config.num_compute_capabilities = len(compute)
    for index, target in enumerate(library.compute_targets(compute)):
        config.set_compute_capability(target, index)
    config.add_optimization_profile(_profile(builder, shapes))
    if not library.builds_ahead:
        config.set_timing_cache(config.create_timing_cache(timings), ignore_mismatch=False)
    config.progress_monitor = monitor
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise messages.error("cannot build the engine")
    timings = b"" if library.builds_ahead else bytes(config.get_timing_cache().serialize())
    return Built(bytes(engine), layer_types(network), timings)


@contextmanager
def _interrupting(monitor: Any) -> Iterator[None]:
    """Let Ctrl-C end the build, and raise then what ended it: raised at once it would come up in our parts
    that the library calls, which swallows it there."""
    python = signal.default_int_handler
    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is python
    if ours:
        signal.signal(signal.SIGINT, lambda *_: monitor.stop(KeyboardInterrupt()))
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGINT, python)
        if monitor.reason is not None:
            raise monitor.reason


def _parse(library: EngineLibrary, builder: Any, messages: LibraryErrors, graph: bytes) -> tuple[Any, Any]:
    trt = library.load()
    # The only kind of network from TensorRT 11 on, where the flag may go.
    typed = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    network = builder.create_network(0 if typed is None else 1 << int(typed))
    parser = trt.OnnxParser(network, messages.logger)
    if not parser.parse(graph):
        errors = [parser.get_error(index) for index in range(parser.num_errors)]
        if not errors:
            raise messages.error("cannot read the graph")
        reasons = "; ".join(
            f"operator {error.node_operator() or '?'} (node {error.node_name() or '?'}): "
            f"{first_line(RuntimeError(error.desc()))}"
            for error in errors[:3]
        )
        raise BackendError(f"{library.title} {trt.__version__} does not take this graph: {reasons}")
    return network, parser


def _profile(builder: Any, shapes: Shapes) -> Any:
    (height, width), (least, best, most) = shapes.input_size, shapes.batch
    rows, columns = shapes.camera
    usual = min(USUAL_CAMERA_SIZE[0], rows), min(USUAL_CAMERA_SIZE[1], columns)
    profile = builder.create_optimization_profile()
    profile.set_shape(FRAMES, (least, 1, 1, 3), (best, *usual, 3), (most, rows, columns, 3))
    profile.set_shape(ROWS, (height, 1), (height, usual[0]), (height, rows))
    profile.set_shape(COLUMNS, (width, 1), (width, usual[1]), (width, columns))
    return profile


def _monitor(trt: Any, progress: Progress) -> Any:
    """Return the library's progress monitor, which adds up nested phases to one share."""

    class _Monitor(trt.IProgressMonitor):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.reason: BaseException | None = None
            # Phases from the outermost to the innermost: name, steps, steps done.
            self._phases: list[list[Any]] = []
            self._reached = 0.0

        def stop(self, reason: BaseException) -> None:
            self.reason = reason

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._phases.append([phase_name, max(1, num_steps), 0])
            self._tell()

        def step_complete(self, phase_name: str, step: int) -> bool:
            for phase in self._phases:
                if phase[0] == phase_name:
                    phase[2] = step + 1
            self._tell()
            return self.reason is None

        def phase_finish(self, phase_name: str) -> None:
            self._phases = [phase for phase in self._phases if phase[0] != phase_name]

        def _tell(self) -> None:
            share, width = 0.0, 1.0
            for _, steps, done in self._phases:
                share += width * min(done, steps) / steps
                width /= steps
            # Phases are not as long as they have steps: the share never falls.
            self._reached = max(self._reached, min(share, 1.0))
            try:
                progress(self._phases[-1][0] if self._phases else "", self._reached)
            except (Cancelled, KeyboardInterrupt) as reason:
                # It cannot pass through the library: its build is ended, then it is raised.
                self.stop(reason)

    return _Monitor()
