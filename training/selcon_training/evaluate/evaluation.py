"""Evaluation of a predictor over a split: one row per query, then tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np
from tqdm import tqdm

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.cameras.depth_points import deproject
from selcon_ros.core.grasps.grasp import GraspParameters, find_grasps
from selcon_ros.core.grasps.grasp_result import GraspResult
from selcon_ros.core.grounding.heatmap import Heatmap
from selcon_training.confidence.evidence import CLUTTER_SPLITS, NEGATIVE_SPLITS
from selcon_training.data.agd20k import DataSet
from selcon_training.data.images import F32, read_picture
from selcon_training.data.ordering import spread
from selcon_training.errors import DataError
from selcon_training.evaluate.answers import Answers, NegativeRow, QueryRow
from selcon_training.evaluate.measures import Scores, part_of, score
from selcon_training.evaluate.predictors import CALIBRATIONS, Predictor
from selcon_training.evaluate.queries import QueriedPicture, Query, QueryFiles, find_pictures, part_points

GRASP_PARAMETERS = GraspParameters()
Job = Callable[[], Answers]
"""Asks what there is to ask of one picture."""


@dataclass
class Evaluation(Answers):
    """All answers of a split, and the grasp parameters used. `calibration` as the predictor's."""

    predictor: str = ""
    data: str = ""
    split: str = ""
    calibration: str | None = None
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
            scores: list[tuple[str, QueryRow | Scores]] = [
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


def map_figures(scores: Iterable[QueryRow | Scores]) -> dict[str, Any]:
    """Means of what is measured on maps; None where nothing was measured."""
    scores = list(scores)
    return {
        "queries": len(scores),
        "kld": _mean([one.kld for one in scores]),
        "sim": _mean([one.sim for one in scores]),
        "nss": _mean([one.nss for one in scores]),
        "right_part": _mean([float(one.right) for one in scores]),
    }


def summary(rows: Sequence[QueryRow], negatives: Sequence[NegativeRow] = ()) -> dict[str, float | int | None]:
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
    predictor: Predictor, data: DataSet, split: str, actions: Sequence[str], limit: int | None = None
) -> Evaluation:
    """Ask every query of a split, and the negative queries of its siblings if there are some.

    `limit` takes that many pictures of each, evenly spread. All-zero truth maps and pictures without one
    are left out and listed. Raises DataError if nothing is left to measure.
    """
    jobs = jobs_of(predictor, data, split, actions, limit)
    return evaluation_of(predictor, data, split, answered(jobs, split))


def jobs_of(
    predictor: Predictor, data: DataSet, split: str, actions: Sequence[str], limit: int | None = None
) -> list[Job]:
    """What `evaluate` asks, picture by picture. No picture depends on another."""
    pictures = spread(find_pictures(data, split, actions), limit)
    jobs: list[Job] = [partial(_ask, predictor, picture, QueryFiles(data, split)) for picture in pictures]
    for siblings in (NEGATIVE_SPLITS, CLUTTER_SPLITS) if predictor.has_confidence else ():
        sibling = siblings.get(split)
        if sibling is not None and data.has(sibling):
            pictures = spread(find_pictures(data, sibling, actions), limit)
            jobs += [
                partial(_ask_negatives, predictor, picture, QueryFiles(data, sibling)) for picture in pictures
            ]
    return jobs


def answered(jobs: Sequence[Job], name: str) -> list[Answers]:
    """Do the jobs, with a progress bar of this name."""
    return [job() for job in tqdm(jobs, desc=name, unit="image", leave=False)]


def evaluation_of(predictor: Predictor, data: DataSet, split: str, answers: Iterable[Answers]) -> Evaluation:
    """The evaluation that these answers make. Raises DataError if no query of the split is among them."""
    result = Evaluation(
        predictor=predictor.name,
        data=data.name,
        split=split,
        calibration=predictor.calibration,
        grasp=asdict(GRASP_PARAMETERS),
    )
    for each in answers:
        result.add(each)
    if not result.rows:
        raise DataError(f"{data.base / split / 'GT'} has no usable truth map for any image of {split}")
    return result


def _ask_negatives(predictor: Predictor, picture: QueriedPicture, files: QueryFiles) -> Answers:
    answers = []
    predictor.look(read_picture(picture.path))
    for action, query in picture.queries.items():
        geometry = files.geometry(query)
        heatmap = predictor.answer(query).heatmap
        points = grasps(heatmap, geometry).points
        answers.append(NegativeRow(picture.name, action, heatmap.confidence, len(points)))
    if files.split in CLUTTER_SPLITS.values():
        return Answers(other_negatives={files.split: answers})
    return Answers(negatives=answers)


def grasps(
    heatmap: Heatmap, geometry: tuple[F32, Intrinsics] | None, parameters: GraspParameters = GRASP_PARAMETERS
) -> GraspResult:
    """The grasp points of a heatmap, in 3D where there are depth and camera."""
    depth, intrinsics = geometry if geometry is not None else (None, None)
    return find_grasps(heatmap, depth, intrinsics, parameters)


def _ask(predictor: Predictor, picture: QueriedPicture, files: QueryFiles) -> Answers:
    result = Answers()
    asked = [
        (query, truth) for query in picture.queries.values() if (truth := files.truth(query)) is not None
    ]
    if len(asked) < len(picture.queries):
        result.left_out.setdefault("no truth map", []).append(picture.name)
    if not asked:
        return result
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
        found = grasps(prediction.heatmap, geometry)
        distance = None
        if geometry is not None and found.points and found.points[0].position is not None:
            surface = part_points(part, deproject(*geometry))
            if len(surface):
                offsets = surface - np.asarray(found.points[0].position, np.float32)
                distance = float(np.sqrt((offsets**2).sum(axis=1).min()))
        result.rows.append(
            QueryRow(
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
    return result


def photo_of(picture: str) -> str:
    """A picture's name without its action: the same photo may lie in several actions' folders."""
    return "/".join(picture.split("/")[-2:])


def query_of(pictures: Sequence[QueriedPicture], row: QueryRow) -> tuple[QueriedPicture, Query]:
    """The picture and query that a row belongs to."""
    picture = next(picture for picture in pictures if picture.name == row.picture)
    return picture, picture.queries[row.action]


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
