"""TensorBoard scalars and pictures, and one line of JSON per epoch."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from selcon_ros.core.files.atomic_write import write_file
from selcon_ros.core.grounding.heatmap import Heatmap, upsample
from selcon_ros.core.outputs.overlay import draw
from selcon_training.data.images import F32, U8


class RunLog:
    """Writes logs/ (TensorBoard) and metrics.jsonl in a run's folder; a full disk costs points only."""

    def __init__(self, output: Path, step: int, epoch: int) -> None:
        self.path = output / "metrics.jsonl"
        self._lost = False
        self.writer: SummaryWriter | None = None
        with self._lenient():
            # Steps after the checkpoint that is resumed from happen again: their old points are hidden.
            self.writer = SummaryWriter(str(output / "logs"), purge_step=step)
        if self.path.is_file():
            with self._lenient():
                write_file(self.path, _lines_before(self.path.read_bytes(), epoch))

    def scalars(self, prefix: str, values: Mapping[str, float], step: int) -> None:
        """Add a point to each curve."""
        if self.writer is None:
            return
        with self._lenient():
            for name, value in values.items():
                self.writer.add_scalar(f"{prefix}/{name}", value, step)

    def epoch(self, record: Mapping[str, Any]) -> None:
        """Append a line to metrics.jsonl."""
        with self._lenient(), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def overlays(self, made: list[tuple[str, U8, F32, F32]], step: int) -> None:
        """Add pictures: heatmap left, truth right."""
        if self.writer is None:
            return
        for number, (caption, image, refined, truth) in enumerate(made):
            height, width = image.shape[:2]
            ours = draw(image, Heatmap(caption, upsample(refined, height, width), 1.0))
            true = draw(image, Heatmap("truth", truth, 1.0))
            pair = np.concatenate([ours, true], axis=1)
            with self._lenient():
                self.writer.add_image(f"validation/{number}", pair, step, dataformats="HWC")

    def close(self) -> None:
        """Flush everything."""
        if self.writer is not None:
            with self._lenient():
                self.writer.close()

    @contextmanager
    def _lenient(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not self._lost:
                text = f"warning: {self.path.parent}: the log has gaps from here on: {error}"
                tqdm.write(text, file=sys.stderr)
            self._lost = True


def _lines_before(content: bytes, epoch: int) -> bytes:
    """The records of the first `epoch` epochs: later ones, and a line cut short by a crash, come again."""
    kept = []
    for line in content.splitlines(keepends=True):
        try:
            done = json.loads(line)["epoch"] <= epoch
        except (ValueError, KeyError, TypeError):
            continue
        if done and line.endswith(b"\n"):
            kept.append(line)
    return b"".join(kept)
