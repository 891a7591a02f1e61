"""What a teacher answers about pictures, kept on disk: it is asked about each picture once."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.backends.options import CpuOptions
from selcon_ros.core.files.atomic_write import write_file
from selcon_ros.core.grounding.bundle import load_with_samples
from selcon_ros.core.grounding.grounder import Grounder
from selcon_ros.core.grounding.heatmap import minmax
from selcon_training.data.images import F32, U8

MIN_CONFIDENCE = 0.5
"""The node's default `min_confidence`."""


@dataclass(frozen=True)
class TeacherAnswer:
    """About one picture: maps [C, gh, gw] float32 on the cells that it covers, each scaled to 0..1 (a
    constant one is 0), and how sure the teacher is of every action [C], float32 0..1."""

    maps: F32
    confidence: F32

    def counts(self, fitted: bool) -> NDArray[np.bool_]:
        """For which actions [C] the teacher gives an answer: those that it is sure of.

        A confidence that was never fitted (`fitted` is false) only compares actions: the likeliest counts.
        """
        likeliest = np.arange(len(self.confidence)) == int(self.confidence.argmax())
        has_heat: NDArray[np.bool_] = self.maps.max(axis=(1, 2)) > 0
        return has_heat & (self.confidence >= MIN_CONFIDENCE if fitted else likeliest)


class Teacher:
    """A bundle's fp32 graph in ONNX Runtime, as a robot runs it. Raises BundleError, BackendError."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        self.bundle = load_with_samples(path)
        self.manifest = self.bundle.manifest
        self.grounder = Grounder(self.bundle, open_on_cpu(self.bundle, CpuOptions(threads)))

    @property
    def fitted(self) -> bool:
        """Whether its confidence was fitted, so that it means something on its own."""
        return self.manifest.confidence is not None

    @property
    def sha256(self) -> str:
        """Of its manifest, in which the graph's stands too."""
        return hashlib.sha256(self.manifest.to_json().encode()).hexdigest()

    def answer(self, picture: U8) -> TeacherAnswer:
        """The answer about a picture H x W x 3 RGB. Raises SelconError where it cannot be asked."""
        found = self.grounder.ground(picture)
        sure = [found.confidence(action) for action in self.manifest.actions]
        return TeacherAnswer(minmax(found.refined), np.array(sure, np.float32))


class Store:
    """Answers of one teacher in a folder, float16, by the SHA-256 of the picture's file.

    Written whole or not at all. What is damaged, or of other actions, counts as missing.
    """

    def __init__(self, folder: Path, actions: int) -> None:
        self.folder, self.actions = folder, actions

    def get(self, key: str) -> TeacherAnswer | None:
        """The answer about a picture, None where there is none."""
        try:
            with np.load(self._path(key), allow_pickle=False) as stored:
                maps, confidence = stored["maps"], stored["confidence"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        shaped = maps.ndim == 3 and maps.shape[0] == self.actions and confidence.shape == (self.actions,)
        if not shaped or not (np.isfinite(maps).all() and np.isfinite(confidence).all()):
            return None
        return TeacherAnswer(maps.astype(np.float32), confidence.astype(np.float32))

    def put(self, key: str, answer: TeacherAnswer) -> None:
        """Keep an answer. Raises OSError."""
        content = io.BytesIO()
        np.savez(content, maps=answer.maps.astype(np.float16), confidence=answer.confidence)
        write_file(self._path(key), content.getvalue())

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.npz"
