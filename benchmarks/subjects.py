"""What `python -m benchmarks engines` measures: every backend in every precision, and what they are held
against."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from selcon_ros.backends.base import BACKENDS

SubjectKind = Literal["backend", "torch", "authors", "product"]
CPU_BATCHES, GPU_BATCHES = (1, 4), (1, 4, 16, 64)
# Engines are built for a range of batches: the node's, and one whose kernels are chosen for many images.
SMALL_BATCH_RANGE, LARGE_BATCH_RANGE = (1, 1, 4), (1, 64, 64)
TITLES = {"torch": "PyTorch network", "authors": "the authors' code", "product": "matrix product"}


@dataclass(frozen=True)
class Subject:
    """Something that is timed.

    kind: a backend; the paper-size network in PyTorch; the authors' code; or a large matrix product, which
    shows what the device can do. device: "cpu" or "cuda".
    """

    kind: SubjectKind
    precision: str
    device: str
    backend: str = ""

    @property
    def title(self) -> str:
        """What it is called, whatever its precision and device."""
        return self.backend or TITLES[self.kind]

    @property
    def full_title(self) -> str:
        """What it is called in the report."""
        return f"{self.title} {self.precision} {'GPU' if self.device == 'cuda' else 'CPU'}"

    @property
    def batches(self) -> list[tuple[int, ...]]:
        """Images at once, in groups: one process for each."""
        if self.kind == "product":
            return [(1,)]
        if self.device == "cpu":
            return [CPU_BATCHES]
        groups = [
            [each for each in GPU_BATCHES if (each <= SMALL_BATCH_RANGE[2]) is small]
            for small in (True, False)
        ]
        return [tuple(each) for each in groups]


@dataclass(frozen=True)
class Measurement:
    """What a measuring process is told: a subject, what it needs, and for how many images at once.

    several: whether the bundle's graph takes more than one image.
    """

    subject: Subject
    bundle: str
    batches: tuple[int, ...]
    several: bool
    threads: int
    clone: str | None
    cache: str | None

    @property
    def profile(self) -> tuple[int, int, int] | None:
        """The range of batches that an engine is built for."""
        if not self.several:
            return None
        return SMALL_BATCH_RANGE if max(self.batches) <= SMALL_BATCH_RANGE[2] else LARGE_BATCH_RANGE

    def to_json(self) -> str:
        """As text, for `from_json`."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Measurement:
        """Read what `to_json` wrote."""
        values = json.loads(text)
        subject = Subject(**values.pop("subject"))
        batches = tuple(values.pop("batches"))
        return Measurement(subject=subject, batches=batches, **values)


def subjects(paper_size: bool, gpu: bool) -> list[Subject]:
    """Return what is measured on a bundle; for the paper-size network, baselines too."""
    found = [
        Subject("backend", precision, "cuda" if choice.on_gpu else "cpu", name)
        for name, choice in BACKENDS.items()
        for precision in choice.precisions
    ]
    devices = ("cuda", "cpu") if gpu else ("cpu",)
    if paper_size:
        found += [Subject("torch", "fp32", device) for device in devices]
        found += [Subject("authors", "fp32", device) for device in devices]
    return found


def products(measured: list[Subject]) -> list[Subject]:
    """Return the matrix products that show what these subjects' devices can do; bf16 has none on a CPU."""
    pairs = dict.fromkeys((each.device, each.precision) for each in measured)
    pairs.pop(("cpu", "bf16"), None)
    return [Subject("product", precision, device) for device, precision in pairs]


def missing(subject: Subject, gpu: bool, clone: Path | None) -> str | None:
    """Return why a subject cannot run here as far as that is plain, None where it is worth a try."""
    if subject.device == "cuda" and not gpu:
        return "no NVIDIA GPU here"
    if subject.kind == "authors" and clone is None:
        return "give a clone of their repository: --authors"
    return None
