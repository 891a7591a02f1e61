"""What may run a bundle on a CPU: its engines, each in the precisions that the bundle allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from selcon_ros.backends.base import BACKENDS, CPU_BACKEND, OPENVINO, Backend
from selcon_ros.backends.onnxruntime import OnnxRuntimeBackend
from selcon_ros.backends.openvino import OpenVinoBackend
from selcon_ros.backends.options import CpuOptions
from selcon_ros.core.errors import BackendError
from selcon_ros.core.grounding.bundle import INT8_ROLE, Bundle, sample_roles
from selcon_ros.core.grounding.manifest import Manifest
from selcon_ros.core.outputs.heatmap_agreement import MAX_KLD, is_within

EXACT_PRECISION = "fp32"
PRECISION_ORDER = (EXACT_PRECISION, "int8", "bf16")
"""fp32 first, with which the others are compared."""
AUTO = "auto"
NO_SAMPLES = "the bundle has no sample pictures to compare it with fp32 on"


@dataclass(frozen=True)
class CpuCandidate:
    """A backend of the CPU in one of its precisions."""

    backend: str
    precision: str

    @staticmethod
    def of(label: str) -> CpuCandidate:
        """Return the one that is called so."""
        backend, _, precision = label.rpartition(" ")
        return CpuCandidate(backend or CPU_BACKEND, precision)

    @property
    def label(self) -> str:
        """What it is called: ONNX Runtime's by the precision alone."""
        return self.precision if self.backend == CPU_BACKEND else f"{self.backend} {self.precision}"

    @property
    def role(self) -> str:
        """The bundle's file that it runs."""
        return INT8_ROLE if self.precision == "int8" else "model"

    def open(self, bundle: Bundle, options: CpuOptions) -> Backend:
        """Open it and run it once. Raises BackendError."""
        if self.backend == OPENVINO:
            return OpenVinoBackend(bundle, self.precision, options)
        return OnnxRuntimeBackend(bundle, self.role, options)


def candidates(
    manifest: Manifest, backends: Sequence[str] = (CPU_BACKEND,), precision: str = AUTO
) -> tuple[list[CpuCandidate], dict[str, str]]:
    """Return what may be chosen, fp32 first, and why something that is there may not be, by its label.

    backends: those that may be, ONNX Runtime first. precision: AUTO, or the only one. int8 may be chosen
    where the bundle says that its heatmaps were compared with those of fp32, and that their mean KLD is
    within the tolerance that it was made with (`selcon quantize` writes no other), or where it is asked for.
    OpenVINO may where the bundle has samples, on which it is compared; where it is the only backend, its fp32
    and the only precision may without.
    """
    able: list[CpuCandidate] = []
    left_out: dict[str, str] = {}
    has_samples = bool(sample_roles(manifest.files))
    for backend in backends:
        for name in PRECISION_ORDER:
            wanted = precision in (AUTO, name) and name in BACKENDS[backend].precisions
            if not wanted or (name == "int8" and INT8_ROLE not in manifest.files):
                continue
            each = CpuCandidate(backend, name)
            alone = len(backends) == 1
            if (
                backend == OPENVINO
                and not has_samples
                and not (alone and name in (EXACT_PRECISION, precision))
            ):
                left_out[each.label if alone else backend] = NO_SAMPLES
            elif name == "int8" and precision == AUTO and (fault := _int8_fault(manifest)):
                left_out[name] = fault
            else:
                able.append(each)
    return able, left_out


def open_all(
    bundle: Bundle, able: Sequence[CpuCandidate], options: CpuOptions
) -> tuple[dict[CpuCandidate, Backend], dict[CpuCandidate, str]]:
    """Return what runs, and what does not, with the reason. Raises BackendError where nothing does."""
    opened: dict[CpuCandidate, Backend] = {}
    failures: dict[CpuCandidate, str] = {}
    last = BackendError("there is nothing to open")
    for each in able:
        if each.backend == OPENVINO and CpuCandidate(OPENVINO, EXACT_PRECISION) in failures:
            continue  # it would fail again, for the same reason
        try:
            opened[each] = each.open(bundle, options)
        except BackendError as error:
            failures[each] = str(error)
            last = error
    if not opened:
        raise last
    return opened, failures


def _int8_fault(manifest: Manifest) -> str:
    """Say why a bundle's int8 graph may not be chosen, "" if it may."""
    record = manifest.metrics.get("int8")
    record = record if isinstance(record, dict) else {}
    kld, tolerance = record.get("kld_mean"), record.get("tolerance", MAX_KLD)
    if not isinstance(kld, int | float) or not isinstance(tolerance, int | float):
        return "the bundle does not say how far its int8 heatmaps are from fp32 (metrics.int8)"
    if not is_within(kld, tolerance):
        return f"its int8 heatmaps have a KLD of {kld:g} from fp32, the tolerance is {tolerance:g}"
    return ""
