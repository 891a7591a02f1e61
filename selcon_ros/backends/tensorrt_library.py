"""TensorRT and TensorRT for RTX: two libraries with one interface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from selcon_ros.core.errors import BackendError, NotInstalledError, first_line


@dataclass(frozen=True)
class Kind:
    """A builder of engines.

    ahead: it can build for GPUs that this machine does not have, and the engine compiles its kernels where it
    runs; without it, kernels are timed and chosen on the GPU at hand. lacks: compute capabilities that it
    knows, but has no products in fp32 for, which every graph of ours has, if only to resize images.
    """

    name: str
    title: str
    module: str
    extra: str
    ahead: bool
    lacks: tuple[str, ...] = ()


KINDS = {
    kind.name: kind
    for kind in (
        Kind("tensorrt", "TensorRT", "tensorrt", "trt", ahead=False),
        Kind("tensorrt_rtx", "TensorRT for RTX", "tensorrt_rtx", "rtx", ahead=True, lacks=("7.5",)),
    )
}


def installed(kind: Kind) -> bool:
    """Whether its library is there (it is not loaded)."""
    return find_spec(kind.module) is not None


def library(kind: Kind) -> Any:
    """Return the library. Raises BackendError, with what to install, where it cannot be used."""
    try:
        return import_module(kind.module)
    except (ImportError, OSError) as error:
        raise NotInstalledError(
            f"{kind.title} is not usable ({first_line(error)}): pip install 'selcon_ros[{kind.extra}]'"
        ) from error


def targets(kind: Kind) -> dict[str, Any]:
    """Return the compute capabilities that engines can be built ahead for, by name: "8.6", "12.0"."""
    if not kind.ahead:
        return {}
    members = library(kind).ComputeCapability.__members__
    found = {name[2:]: value for name, value in members.items() if name.startswith("SM")}
    named = {f"{digits[:-1]}.{digits[-1]}": value for digits, value in found.items()}
    return {name: value for name, value in named.items() if name not in kind.lacks}


def aims(kind: Kind, compute: Sequence[str]) -> list[Any]:
    """Return what the library calls these compute capabilities, to build ahead for them.

    Raises BackendError for one that it cannot build for.
    """
    known = targets(kind) if compute else {}
    missing = [each for each in compute if each not in known]
    if missing:
        choices = "it builds on the GPU that runs the engine"
        if known:
            choices = f"it can for {', '.join(known)}; for others build on the GPU, with --kind tensorrt"
        raise BackendError(f"{kind.title} cannot build ahead for GPUs of {missing[0]}: {choices}")
    return [known[each] for each in compute]


class Messages:
    """What a library said, to be told when it fails: its calls return nothing then."""

    def __init__(self, kind: Kind) -> None:
        trt = library(kind)
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
        self._title = f"{kind.title} {trt.__version__}"

    def error(self, what: str) -> BackendError:
        """Return the error that says `what` failed, and why as far as the library told."""
        reason = first_line(RuntimeError(self._said[0])) if self._said else "it gave no reason"
        return BackendError(f"{self._title} {what}: {reason}")
