"""Evaluation of a predictor over a split: one row per query, then tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from tqdm import tqdm

from selcon_ros.core.camera import Intrinsics, deproject
from selcon_ros.core.grasp import GraspParameters, find_grasps
from selcon_ros.core.grasp_result import GraspResult
from selcon_ros.core.heatmap import Heatmap
from selcon_training.confidence.evidence import NEGATIVE_SPLITS
from selcon_training.data.agd20k import DataSet
from selcon_training.data.images import F32, read_picture
from selcon_training.data.ordering import spread
from selcon_training.errors import DataError
from selcon_training.evaluate.measures import Scores, part_of, score
from selcon_training.evaluate.predictors import CALIBRATIONS, Predictor
from selcon_training.evaluate.queries import Files, Picture, Query, find_pictures, part_points


@dataclass(frozen=True)
class Row:
    """One query's figures. `distance` (m): top 3D grasp point to the part's nearest visible point, None
    without. `others`: the scores under the other calibrations."""

    picture: str
    action: str
    objects: tuple[str, ...]
    kld: float
    sim: float
    nss: float
    right: bool
    confidence: float
    grasps: int
    distance: float | None
    others: Mapping[str, Scores] = field(default_factory=dict)


@dataclass(frozen=True)
class NegativeRow:
    """The answer to a negative query: one about an action that the picture does not afford."""

    picture: str
    action: str
    confidence: float
    grasps: int


@dataclass
class Evaluation:
    """All rows of a split, what was left out, and the grasp parameters used. `calibration` as the
    predictor's."""

    predictor: str
    data: str
    split: str
    calibration: str | None = None
    rows: list[Row] = field(default_factory=list)
    negatives: list[NegativeRow] = field(default_factory=list)
    other_negatives: dict[str, list[NegativeRow]] = field(default_factory=dict)
    """Of negative queries beside the split's own, by where they come from (see `negatives.py`)."""
    left_out: dict[str, list[str]] = field(default_factory=dict)
    grasp: dict[str, Any] = field(default_factory=dict)

    def tables(self) -> dict[str, Any]:
        """The figures: overall, per action and per object (a query with several objects counts for each)."""
        actions = sorted({row.action for row in self.rows} | {row.action for row in self.negatives})
        objects = sorted({name for row in self.rows for name in row.objects})
        return {
            "predictor": self.predictor,
            "data": self.data,
            "split": self.split,
            "calibration": self.calibration,
            "overall": summary(self.rows, self.negatives),
            "per_action": {
                action: summary(
                    [row for row in self.rows if row.action == action],
                    [row for row in self.negatives if row.action == action],
                )
                for action in actions
            },
            "per_object": {
                name: summary([row for row in self.rows if name in row.objects]) for name in objects
            },
            "calibrations": self._calibrations(),
            "left_out": self.left_out,
            "grasp_parameters": self.grasp,
        }

    def _calibrations(self) -> dict[str, Any]:
        """The figures of the maps under every calibration, the predictor's own included."""
        if self.calibration is None or not self.rows:
            return {}
        found: dict[str, Any] = {}
        for calibration in CALIBRATIONS:
            scores: list[tuple[str, Row | Scores]] = [
                (row.action, row if calibration == self.calibration else row.others[calibration])
                for row in self.rows
                if calibration == self.calibration or calibration in row.others
            ]
            if scores:
                found[calibration] = map_figures(one for _, one in scores) | {
                    "per_action": {
                        action: map_figures(one for name, one in scores if name == action)
                        for action in sorted({name for name, _ in scores})
                    }
                }
        return found


def map_figures(scores: Iterable[Row | Scores]) -> dict[str, Any]:
    """Means of what is measured on maps; None where nothing was measured."""
    scores = list(scores)
    return {
        "queries": len(scores),
        "kld": _mean([one.kld for one in scores]),
        "sim": _mean([one.sim for one in scores]),
        "nss": _mean([one.nss for one in scores]),
        "right_part": _mean([float(one.right) for one in scores]),
    }


def summary(rows: Sequence[Row], negatives: Sequence[NegativeRow] = ()) -> dict[str, float | int | None]:
    """Means over queries; None where nothing was measured."""
    distances = [row.distance for row in rows if row.distance is not None]
    return map_figures(rows) | {
        "photos": len({photo_of(row.picture) for row in rows}),
        "grasp_distance_median_m": float(np.median(distances)) if distances else None,
        "grasp_distance_p90_m": float(np.quantile(distances, 0.9)) if distances else None,
        "grasps_in_3d": len(distances),
        "with_grasp": _mean([float(row.grasps > 0) for row in rows]),
        "nothing_queries": len(negatives),
        "nothing_without_grasp": _mean([float(row.grasps == 0) for row in negatives]),
    }


def evaluate(
    predictor: Predictor,
    data: DataSet,
    split: str,
    actions: Sequence[str],
    grasp: GraspParameters | None = None,
    limit: int | None = None,
) -> Evaluation:
    """Ask every query of a split, and the negative queries of its sibling if there is one.

    `limit` takes that many pictures of each, evenly spread. All-zero truth maps and pictures without one
    are left out and listed. Raises DataError if nothing is left to measure.
    """
    parameters = grasp or GraspParameters()
    result = Evaluation(predictor.name, data.name, split, predictor.calibration, grasp=asdict(parameters))
    pictures = spread(find_pictures(data, split, actions), limit)
    measure(predictor, pictures, Files(data, split), parameters, result)
    if not result.rows:
        raise DataError(f"{data.base / split / 'GT'} has no usable truth map for any image of {split}")
    sibling = NEGATIVE_SPLITS.get(split)
    if predictor.has_confidence and sibling is not None and data.has(sibling):
        pictures = spread(find_pictures(data, sibling, actions), limit)
        measure_negatives(predictor, pictures, Files(data, sibling), parameters, result)
    return result


def measure(
    predictor: Predictor,
    pictures: Sequence[Picture],
    files: Files,
    parameters: GraspParameters,
    result: Evaluation,
) -> None:
    """Ask the queries of these pictures; rows and what is left out are added to `result`.

    No picture depends on another: shares of the list may be measured apart and their rows put together.
    """
    for picture in tqdm(pictures, desc=files.split, unit="image", leave=False):
        _one_picture(predictor, picture, files, parameters, result)


def measure_negatives(
    predictor: Predictor,
    pictures: Sequence[Picture],
    files: Files,
    parameters: GraspParameters,
    result: Evaluation,
) -> None:
    """Ask the negative queries of these pictures, as `measure`."""
    for picture in tqdm(pictures, desc=files.split, unit="image", leave=False):
        predictor.look(read_picture(picture.path))
        for action, query in picture.queries.items():
            geometry = files.geometry(query)
            heatmap = predictor.answer(query).heatmap
            found = grasps(heatmap, geometry, parameters)
            result.negatives.append(NegativeRow(picture.name, action, heatmap.confidence, len(found.points)))


def grasps(
    heatmap: Heatmap, geometry: tuple[F32, Intrinsics] | None, parameters: GraspParameters
) -> GraspResult:
    """The grasp points of a heatmap, in 3D where there are depth and camera."""
    depth, intrinsics = geometry if geometry is not None else (None, None)
    return find_grasps(heatmap, depth, intrinsics, parameters)


def _one_picture(
    predictor: Predictor, picture: Picture, files: Files, parameters: GraspParameters, result: Evaluation
) -> None:
    asked = [
        (query, truth) for query in picture.queries.values() if (truth := files.truth(query)) is not None
    ]
    if len(asked) < len(picture.queries):
        result.left_out.setdefault("no truth map", []).append(picture.name)
    if not asked:
        return
    image = read_picture(picture.path)
    predictor.look(image)
    for query, truth in asked:
        if not truth.any():
            result.left_out.setdefault("truth map all zero", []).append(f"{query.action}/{picture.name}")
            continue
        mask = files.mask(query)
        if mask is not None and mask.shape != image.shape[:2]:
            raise DataError(
                f"mask of {query.items[0].name} is {mask.shape[1]} x {mask.shape[0]} pixels, its image "
                f"{image.shape[1]} x {image.shape[0]}: save the mask as large as the image"
            )
        prediction = predictor.answer(query)
        part = part_of(truth, mask)
        answers = [prediction, *prediction.others.values()]
        scores, *others = score(
            [answer.map for answer in answers], [answer.heatmap.values for answer in answers], truth, part
        )
        geometry = files.geometry(query)
        found = grasps(prediction.heatmap, geometry, parameters)
        distance = None
        if geometry is not None and found.points and found.points[0].position is not None:
            surface = part_points(part, deproject(*geometry))
            if len(surface):
                offsets = surface - np.asarray(found.points[0].position, np.float32)
                distance = float(np.sqrt((offsets**2).sum(axis=1).min()))
        result.rows.append(
            Row(
                picture=picture.name,
                action=query.action,
                objects=tuple(query.objects),
                kld=scores.kld,
                sim=scores.sim,
                nss=scores.nss,
                right=scores.right,
                confidence=prediction.heatmap.confidence,
                grasps=len(found.points),
                distance=distance,
                others=dict(zip(prediction.others, others, strict=True)),
            )
        )


def photo_of(picture: str) -> str:
    """A picture's name without its action: the same photo may lie in several actions' folders."""
    return "/".join(picture.split("/")[-2:])


def query_of(pictures: Sequence[Picture], row: Row) -> tuple[Picture, Query]:
    """The picture and query that a row belongs to."""
    picture = next(picture for picture in pictures if picture.name == row.picture)
    return picture, picture.queries[row.action]


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
