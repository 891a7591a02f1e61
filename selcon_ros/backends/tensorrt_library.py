"""TensorRT and TensorRT for RTX: two libraries with one interface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from selcon_ros.core.errors import BackendError, NotInstalledError, first_line


@dataclass(frozen=True)
class EngineLibrary:
    """A library that builds engines and runs them.

    builds_ahead: it can build for GPUs that this machine does not have, and the engine compiles its kernels
    where it runs; without it, kernels are timed and chosen on the GPU at hand. unsupported: compute
    capabilities that it knows, but has no products in fp32 for, which every graph of ours has, if only to
    resize images.
    """

    name: str
    title: str
    module: str
    extra: str
    builds_ahead: bool
    unsupported: tuple[str, ...] = ()

    @property
    def is_installed(self) -> bool:
        """Whether the library is there (it is not loaded)."""
        return find_spec(self.module) is not None

    def load(self) -> Any:
        """Return the library's module. Raises NotInstalledError, with what to install, where it cannot."""
        try:
            return import_module(self.module)
        except (ImportError, OSError) as error:
            raise NotInstalledError(
                f"{self.title} is not usable ({first_line(error)}): pip install 'selcon_ros[{self.extra}]'"
            ) from error

    def compute_targets(self, compute: Sequence[str]) -> list[Any]:
        """Return what the library calls these compute capabilities ("8.6"), to build ahead for them.

        Raises BackendError for one that it cannot build for.
        """
        known = self._known_targets() if compute else {}
        missing = [capability for capability in compute if capability not in known]
        if missing:
            choices = "it builds on the GPU that runs the engine"
            if known:
                choices = f"it can for {', '.join(known)}; for others build on the GPU, with --kind tensorrt"
            raise BackendError(f"{self.title} cannot build ahead for GPUs of {missing[0]}: {choices}")
        return [known[capability] for capability in compute]

    def _known_targets(self) -> dict[str, Any]:
        """The library's compute capabilities by name: "8.6", "12.0"."""
        if not self.builds_ahead:
            return {}
        members = self.load().ComputeCapability.__members__
        values = {name[2:]: value for name, value in members.items() if name.startswith("SM")}
        named = {f"{digits[:-1]}.{digits[-1]}": value for digits, value in values.items()}
        return {name: value for name, value in named.items() if name not in self.unsupported}


LIBRARIES = {
    library.name: library
    for library in (
        EngineLibrary("tensorrt", "TensorRT", "tensorrt", "trt", builds_ahead=False),
        EngineLibrary(
            "tensorrt_rtx", "TensorRT for RTX", "tensorrt_rtx", "rtx", builds_ahead=True, unsupported=("7.5",)
        ),
    )
}


class LibraryErrors:
    """Keeps the errors that a library logs: its calls only return nothing when they fail."""

    def __init__(self, library: EngineLibrary) -> None:
        trt = library.load()
        said: list[str] = []
        serious = (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR)

        class _Logger(trt.ILogger):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()

            def log(self, severity: Any, message: str) -> None:
                if severity in serious:
                    said.append(message)

        self.logger = _Logger()
        self._said = said
        self._title = f"{library.title} {trt.__version__}"

    def error(self, what: str) -> BackendError:
        """Return the error that says `what` failed, and why as far as the library told."""
        reason = first_line(RuntimeError(self._said[0])) if self._said else "it gave no reason"
        return BackendError(f"{self._title} {what}: {reason}")
