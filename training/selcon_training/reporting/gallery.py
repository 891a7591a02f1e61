"""Predictions beside the truth: the best, the worst, and a sample that no score has chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from selcon_ros.core.grasps.grasp import GraspParameters
from selcon_ros.core.grounding.heatmap import Heatmap
from selcon_ros.core.outputs.overlay import draw
from selcon_training.data.images import U8, read_picture
from selcon_training.evaluate.answers import QueryRow
from selcon_training.evaluate.evaluation import grasps, query_of
from selcon_training.evaluate.predictors import CALIBRATIONS, Predictor
from selcon_training.evaluate.queries import QueriedPicture, QueryFiles
from selcon_training.reporting.page import Shown, side_by_side


@dataclass(frozen=True)
class Gallery:
    """Asks a predictor again for the queries that are shown."""

    predictor: Predictor
    pictures: Sequence[QueriedPicture]
    files: QueryFiles
    parameters: GraspParameters

    def pair(self, row: QueryRow) -> Shown:
        """Heatmap with grasp points, and the truth."""
        image, prediction, query = self._ask(row)
        found = grasps(prediction.heatmap, self.files.geometry(query), self.parameters)
        panels = [draw(image, prediction.heatmap, found), self._truth(image, query)]
        return _shown(row, panels, "heatmap and grasp points, beside the truth map")

    def calibrations(self, row: QueryRow) -> Shown:
        """The truth, and the heatmap under every calibration."""
        image, prediction, query = self._ask(row)
        answers = dict(prediction.others)
        if self.predictor.calibration is not None:
            answers[self.predictor.calibration] = prediction
        shown = [
            replace(answers[calibration].heatmap, action=calibration)
            for calibration in CALIBRATIONS
            if calibration in answers
        ]
        panels = [draw(image, heatmap) for heatmap in shown or [prediction.heatmap]]
        return _shown(row, [self._truth(image, query), *panels], "the truth map, beside the heatmaps")

    def _ask(self, row: QueryRow) -> tuple[U8, Any, Any]:
        picture, query = query_of(self.pictures, row)
        image = read_picture(picture.path)
        self.predictor.look(image)
        return image, self.predictor.answer(query), query

    def _truth(self, image: U8, query: Any) -> U8:
        truth = self.files.truth(query)
        assert truth is not None  # a row was measured against it
        values = cv2.resize(truth, (image.shape[1], image.shape[0])).astype(np.float32)
        return draw(image, Heatmap("truth", values / np.float32(max(1, int(truth.max()))), 1.0))


def _shown(row: QueryRow, panels: Sequence[U8], what: str) -> Shown:
    facts = [row.action, ", ".join(row.objects), row.picture, f"KLD {row.kld:.3f}"]
    facts.append("right part" if row.right else "wrong place")
    if row.distance is not None:
        facts.append(f"{1000 * row.distance:.1f} mm")
    return Shown(
        side_by_side(panels), " · ".join(facts), f"{row.action} in {row.picture}: {what}", not row.right
    )


def sample(rows: Sequence[QueryRow], per_action: int) -> list[QueryRow]:
    """Rows drawn at random (always the same), evenly spread: one from each of `per_action` equal stretches
    of every action's rows."""
    rng = np.random.default_rng(0)
    chosen = []
    for action in sorted({row.action for row in rows}):
        of_action = [row for row in rows if row.action == action]
        for stretch in np.array_split(np.arange(len(of_action)), per_action):
            if len(stretch):
                chosen.append(of_action[int(rng.choice(stretch))])
    return chosen
