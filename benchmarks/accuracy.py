"""How far a subject's maps of the bundle's samples are from fp32, and from what the graph means exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from selcon_ros.backends.base import Frames, Maps
from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.core.grounding.bundle import Bundle, load_bundle, load_with_samples
from selcon_ros.core.grounding.grounder import Grounder
from selcon_ros.core.grounding.preprocess import preprocess
from selcon_ros.core.grounding.samples import read_samples
from selcon_ros.core.outputs.heatmap_agreement import Agreement, agreement

Pair = tuple[Maps, Maps | None]


@dataclass(frozen=True)
class Accuracy:
    """agreement: with ONNX Runtime fp32 on the CPU. error: root mean square error of the maps from those of
    the graph in float64, relative to their root mean square, of the output where it is larger; None where
    torch is not installed."""

    agreement: Agreement
    error: float | None


class Judge:
    """A bundle's samples with the maps that answers are held against."""

    def __init__(self, path: Path) -> None:
        """Compute them. Raises SelconError where the bundle is bad or does not run."""
        self._bundle = load_bundle(path, roles=("model",))
        self.samples = sample_images(path)
        backend = open_on_cpu(self._bundle)
        self._fp32: list[Pair] = [backend.run(image[None]) for image in self.samples]
        self._exact = [found for image in self.samples if (found := _float64(self._bundle, image))]

    def judge(self, maps: list[Pair]) -> Accuracy:
        """Compare. Raises SelconError where there is nothing to compare."""
        reference, other = (Grounder(self._bundle, _Answers(each)) for each in (self._fp32, maps))
        return Accuracy(agreement(reference, other, self.samples), self._error(maps))

    def _error(self, maps: list[Pair]) -> float | None:
        if not self._exact:
            return None
        errors: list[float] = []
        for index, name in enumerate(self._bundle.manifest.outputs):
            exact = np.stack([each[name] for each in self._exact])
            given = np.stack([np.asarray(each[index], np.float64) for each in maps])
            size = max(float(np.linalg.norm(exact)), float(np.finfo(np.float32).tiny))
            errors.append(float(np.linalg.norm(given - exact)) / size)
        return max(errors)


def sample_images(path: Path) -> list[NDArray[np.uint8]]:
    """Return the bundle's samples [H, W, 3] uint8, none where it brings none."""
    bundle = load_with_samples(path)
    return read_samples(bundle) if bundle.sample_files else []


def read_maps(path: Path) -> list[Pair]:
    """Read what `engine_worker.write_maps` wrote."""
    with np.load(path, allow_pickle=False) as found:
        count = sum(name.startswith("cam") for name in found.files)
        return [
            (found[f"cam{index}"], found[f"affinity{index}"] if f"affinity{index}" in found.files else None)
            for index in range(count)
        ]


class _Answers:
    """An engine that gives maps computed before, one image after the other."""

    def __init__(self, maps: list[Pair]) -> None:
        self._maps: Iterator[Pair] = iter(maps)

    def run(self, frames: Frames) -> Pair:
        return next(self._maps)


def _float64(bundle: Bundle, image: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]] | None:
    """Return the outputs by name of one image, None without torch."""
    try:
        from selcon_ros.backends.onnx_in_torch.program import reference
    except ImportError:
        return None
    found: dict[str, NDArray[np.float64]] = reference(
        bundle.model, {"image": preprocess(image, bundle.manifest)}
    )
    return found
