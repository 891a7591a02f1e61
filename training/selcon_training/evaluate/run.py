"""Evaluation of a predictor over a split: one row per query, then tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from tqdm import tqdm

from selcon_ros.core.camera import Intrinsics, deproject
from selcon_ros.core.files import read_image
from selcon_ros.core.grasp import GraspParameters, Grasps, find
from selcon_ros.core.heatmap import Heatmap
from selcon_training.data.images import F32
from selcon_training.data.layout import DataError, DataSet
from selcon_training.evaluate.measures import Scores, part_of, score
from selcon_training.evaluate.predictors import Predictor
from selcon_training.evaluate.queries import Files, Picture, Query, find_pictures, part_points
from selcon_training.metrics import prepare_truth

NOTHING = {"testset": "nothingset", "valset": "valnothingset"}
"""Which split shows scenes without the action, beside which split."""


@dataclass(frozen=True)
class Row:
    """One query's figures. ``distance`` (m): top 3D grasp point to the part's nearest visible point, None
    without."""

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


@dataclass(frozen=True)
class Absence:
    """A query about an action that nothing in the scene affords."""

    picture: str
    action: str
    confidence: float
    grasps: int


@dataclass
class Evaluation:
    """All rows of a split, what was left out, and the grasp parameters used."""

    predictor: str
    data: str
    split: str
    rows: list[Row] = field(default_factory=list)
    absences: list[Absence] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    grasp: dict[str, Any] = field(default_factory=dict)

    def tables(self) -> dict[str, Any]:
        """The figures: overall, per action and per object (a query with several objects counts for each)."""
        actions = sorted({row.action for row in self.rows} | {absence.action for absence in self.absences})
        objects = sorted({name for row in self.rows for name in row.objects})
        return {
            "predictor": self.predictor,
            "data": self.data,
            "split": self.split,
            "overall": summary(self.rows, self.absences),
            "per_action": {
                action: summary(
                    [row for row in self.rows if row.action == action],
                    [absence for absence in self.absences if absence.action == action],
                )
                for action in actions
            },
            "per_object": {
                name: summary([row for row in self.rows if name in row.objects]) for name in objects
            },
            "left_out": self.left_out,
            "grasp_parameters": self.grasp,
        }


def summary(rows: Sequence[Row], absences: Sequence[Absence] = ()) -> dict[str, float | int | None]:
    """Means over queries; None where nothing was measured."""
    distances = [row.distance for row in rows if row.distance is not None]
    return {
        "queries": len(rows),
        "kld": _mean([row.kld for row in rows]),
        "sim": _mean([row.sim for row in rows]),
        "nss": _mean([row.nss for row in rows]),
        "right_part": _mean([float(row.right) for row in rows]),
        "grasp_distance_median_m": float(np.median(distances)) if distances else None,
        "grasp_distance_p90_m": float(np.quantile(distances, 0.9)) if distances else None,
        "grasps_in_3d": len(distances),
        "with_grasp": _mean([float(row.grasps > 0) for row in rows]),
        "nothing_queries": len(absences),
        "nothing_without_grasp": _mean([float(absence.grasps == 0) for absence in absences]),
    }


def evaluate(
    predictor: Predictor,
    data: DataSet,
    split: str,
    actions: Sequence[str],
    grasp: GraspParameters | None = None,
    limit: int | None = None,
) -> Evaluation:
    """Ask every query of a split, and of its nothing-set if there is one.

    ``limit`` takes that many pictures of each, evenly spread. All-zero truth maps and pictures without one
    are left out and listed. Raises DataError if nothing is left to measure.
    """
    parameters = grasp or GraspParameters()
    result = Evaluation(predictor.name, data.name, split, grasp=asdict(parameters))
    files = Files(data, split)
    pictures = take(find_pictures(data, split, actions), limit)
    for picture in tqdm(pictures, desc=split, unit="image", leave=False):
        _one_picture(predictor, picture, files, parameters, result)
    if not result.rows:
        raise DataError(f"{data.base / split / 'GT'} has no usable truth map for any image of {split}")
    nothing = NOTHING.get(split)
    if predictor.has_confidence and nothing is not None and data.has(nothing):
        files = Files(data, nothing)
        for picture in tqdm(
            take(find_pictures(data, nothing, actions), limit), desc=nothing, unit="image", leave=False
        ):
            predictor.look(read_image(picture.path))
            for action, query in picture.queries.items():
                geometry = files.geometry(query)
                heatmap = predictor.answer(query).heatmap
                found = grasps(heatmap, geometry, parameters)
                result.absences.append(Absence(picture.name, action, heatmap.confidence, len(found)))
    return result


def grasps(heatmap: Heatmap, geometry: tuple[F32, Intrinsics] | None, parameters: GraspParameters) -> Grasps:
    """The grasp points of a heatmap, in 3D where there are depth and camera."""
    depth, intrinsics = geometry if geometry is not None else (None, None)
    return find(heatmap, depth, intrinsics, parameters)


def take(pictures: list[Picture], limit: int | None) -> list[Picture]:
    """At most ``limit`` pictures, evenly spread over the list."""
    if limit is None or len(pictures) <= limit:
        return pictures
    return [pictures[index] for index in np.linspace(0, len(pictures) - 1, limit).round().astype(int)]


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
    image = read_image(picture.path)
    predictor.look(image)
    for query, truth in asked:
        if not truth.any():
            result.left_out.setdefault("truth map all zero", []).append(f"{query.action}/{picture.name}")
            continue
        mask = files.mask(query)
        if mask is not None and mask.shape != image.shape[:2]:
            raise DataError(f"mask of {query.items[0].name} is {mask.shape}, its image {image.shape[:2]}")
        prediction = predictor.answer(query)
        part = part_of(truth, mask)
        scores: Scores = score(prediction.map, prediction.heatmap.values, prepare_truth(truth), part)
        geometry = files.geometry(query)
        found = grasps(prediction.heatmap, geometry, parameters)
        distance = None
        if geometry is not None and found and found[0].position is not None:
            surface = part_points(part, deproject(*geometry))
            if len(surface):
                offsets = surface - np.asarray(found[0].position, np.float32)
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
                grasps=len(found),
                distance=distance,
            )
        )


def query_of(pictures: Sequence[Picture], row: Row) -> tuple[Picture, Query]:
    """The picture and query that a row belongs to."""
    picture = next(picture for picture in pictures if picture.name == row.picture)
    return picture, picture.queries[row.action]


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
