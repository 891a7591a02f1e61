"""OpenVINO on the CPU."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from selcon_ros.backends.base import BACKENDS, OPENVINO, Maps
from selcon_ros.backends.on_cpu import FLOAT32_TENSOR, INPUT_NAME, CpuBackend, Port
from selcon_ros.backends.options import CpuOptions, format_cores, thread_count
from selcon_ros.core.errors import BackendError, NotInstalledError, first_line
from selcon_ros.core.grounding.bundle import INT8_ROLE, Bundle
from selcon_ros.core.text import one_line

if TYPE_CHECKING:
    import openvino

COMPUTE_TYPES = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}
"""What OpenVINO is told to compute in; of an int8 graph, what is not int8."""
_CONVERTER = "openvino.tools.ovc"
# Lines of its errors that tell where in its code one was raised, not what is wrong.
_LOCATION_PREFIXES = (
    "Exception from ",
    "Check '",
    "FrontEnd API failed",
    "Model wasn't fully converted",
    "Summary:",
    "To facilitate ",
)


class OpenVinoBackend(CpuBackend):
    """A bundle's graph in OpenVINO: its int8 one for that precision, else the fp32 one.

    Raises NotInstalledError without the library, BackendError where it cannot read or run the graph, or does
    not compute in the precision on this processor.
    """

    def __init__(self, bundle: Bundle, precision: str, options: CpuOptions) -> None:
        role = INT8_ROLE if precision == "int8" else "model"
        super().__init__(bundle, role)
        library = import_openvino()
        release = str(library.__version__).partition("-")[0]
        self.name = f"OpenVINO {release} (CPU{'' if precision == 'fp32' else f', {precision}'})"
        if fault := cores_fault(options):
            raise BackendError(fault)
        try:
            core = _core()
            if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
                raise BackendError(
                    f"OpenVINO {release} has no bf16 on this processor: choose another precision"
                )
            model = core.read_model(bundle.files[role])
            self._check_signature(_ports(model.inputs), _ports(model.outputs))
            model.reshape({INPUT_NAME: list(self._input_shape)})
            compiled = core.compile_model(model, "CPU", _settings(precision, options))
            taken = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
            self._outputs = [compiled.output(name) for name in self._manifest.outputs]
            self._request: Any = compiled.create_infer_request()
        except BackendError:
            raise
        except Exception as error:  # the engine's errors share no base class
            raise BackendError(
                f"{self._subject} cannot be opened by OpenVINO {release}: {_reason(error)}"
            ) from error
        if taken != COMPUTE_TYPES[precision]:
            raise BackendError(
                f"OpenVINO {release} computes {taken} here in place of {COMPUTE_TYPES[precision]}: choose "
                "the backend onnxruntime"
            )
        self._warm_up()

    def close(self) -> None:
        """Give up the compiled model."""
        self._request, self._outputs = None, []

    def _compute(self, image: NDArray[np.float32]) -> list[Maps]:
        try:
            found = self._request.infer({INPUT_NAME: image}, share_inputs=True)
        except Exception as error:  # the engine's errors share no base class
            raise BackendError(f"{self._subject} failed in {self.name}: {_reason(error)}") from error
        return [np.asarray(found[output], np.float32) for output in self._outputs]


@cache
def _core() -> Any:
    """The process's only core, which lives as long as it does.

    Each sets a stack of its own for signal handlers, and gives back the one before it when it goes: of two
    that go in the order in which they came, that one is gone, and the next signal would end the process.
    """
    return import_openvino().Core()


def installed_version() -> str | None:
    """Return the version that is installed, None without it. The library is not imported."""
    try:
        return version("openvino")
    except PackageNotFoundError:
        return None


def cores_fault(options: CpuOptions) -> str:
    """Say why OpenVINO cannot run with these options, "" if it can. The thread is pinned already.

    Each of its further threads resets the cores it may use to those of the process's main thread.
    """
    if not options.cores or thread_count(options.threads) == 1:
        return ""
    return (
        f"OpenVINO's threads do not keep to the cores {format_cores(options.cores)}: set threads to 1, or "
        "start the process with taskset in place of cores"
    )


def import_openvino() -> ModuleType:
    """Return the library, without its converter, which it can do without.

    Its import imports that, which sends an event to its maker from a process that it forks, writes an
    identifier to ~/intel, and takes three quarters of the time. Raises NotInstalledError without the library.
    """
    try:
        with _missing_module(_CONVERTER):
            import openvino
        if not hasattr(openvino, "Core"):
            raise ImportError(f"{openvino} is another")
    except (ImportError, OSError) as error:
        raise NotInstalledError(
            f"OpenVINO is not usable ({first_line(error)}): pip install '{BACKENDS[OPENVINO].package}'"
        ) from error
    library: ModuleType = openvino
    return library


@contextmanager
def _missing_module(module: str) -> Iterator[None]:
    """Let a module be missing, unless it is imported already."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[module]


def _settings(precision: str, options: CpuOptions) -> dict[str, Any]:
    """What a model is compiled with. Nothing is cached on disk."""
    settings: dict[str, Any] = {
        # Its default is bf16 wherever the processor has it.
        "INFERENCE_PRECISION_HINT": COMPUTE_TYPES[precision],
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        # Two nodes would both be pinned to the first cores.
        "ENABLE_CPU_PINNING": False,
    }
    if threads := thread_count(options.threads):
        settings["INFERENCE_NUM_THREADS"] = threads
    return settings


def _ports(nodes: "list[openvino.Output]") -> list[Port]:
    return [Port(node.get_any_name(), _type(node), _shape(node)) for node in nodes]


def _type(node: "openvino.Output") -> str:
    name = node.get_element_type().get_type_name()
    return FLOAT32_TENSOR if name == "f32" else f"tensor({name})"


def _shape(node: "openvino.Output") -> list[object] | None:
    shape = node.get_partial_shape()
    if shape.rank.is_dynamic:
        return None
    return [each.get_length() if each.is_static else str(each) for each in shape]


def _reason(error: Exception) -> str:
    """Return the line of an error of OpenVINO that says most."""
    lines = [line.strip(" -") for line in str(error).splitlines()]
    telling = [line for line in lines if line and not line.startswith(_LOCATION_PREFIXES)]
    return one_line((telling or lines or [type(error).__name__])[-1], 300)
