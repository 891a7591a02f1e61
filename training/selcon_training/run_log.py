"""TensorBoard scalars and pictures, and one line of JSON per epoch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.tensorboard import SummaryWriter

from selcon_ros.core.heatmap import Heatmap, upsample
from selcon_ros.core.overlay import draw
from selcon_training.data.images import F32, U8


class RunLog:
    """Writes logs/ (TensorBoard) and metrics.jsonl in a run's folder."""

    def __init__(self, output: Path, step: int) -> None:
        # Steps after the checkpoint that is resumed from happen again: their old points are hidden.
        self.writer = SummaryWriter(str(output / "logs"), purge_step=step)
        self.path = output / "metrics.jsonl"

    def scalars(self, prefix: str, values: Mapping[str, float], step: int) -> None:
        """Add a point to each curve."""
        for name, value in values.items():
            self.writer.add_scalar(f"{prefix}/{name}", value, step)

    def epoch(self, record: Mapping[str, Any]) -> None:
        """Append a line to metrics.jsonl."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def overlays(self, made: list[tuple[str, U8, F32, F32]], step: int) -> None:
        """Add pictures: heatmap left, truth right."""
        for number, (caption, image, refined, truth) in enumerate(made):
            height, width = image.shape[:2]
            ours = draw(image, Heatmap(caption, upsample(refined, height, width), 1.0), [])
            true = draw(image, Heatmap("truth", truth, 1.0), [])
            pair = np.concatenate([ours, true], axis=1)
            self.writer.add_image(f"validation/{number}", pair, step, dataformats="HWC")

    def close(self) -> None:
        """Flush everything."""
        self.writer.close()
