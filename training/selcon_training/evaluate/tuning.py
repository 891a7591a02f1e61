"""Choosing how soft a bundle's heatmap is on validation: truth maps are blurred, so a sharp map scores badly
(method.md §9)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.backends.options import CpuOptions
from selcon_ros.core.errors import SelconError
from selcon_ros.core.grounding.bundle import Manifest, load_bundle, write_bundle
from selcon_ros.core.grounding.grounder import Grounder
from selcon_ros.core.grounding.heatmap import soften, upsample
from selcon_training.data.chosen_split import ValidationSplit
from selcon_training.data.images import F32, U8, read_picture
from selcon_training.data.ordering import spread
from selcon_training.errors import DataError, ResultNotWritten
from selcon_training.evaluate.bootstrap import Limits, clusters, mean_limits
from selcon_training.evaluate.measures import part_of, score
from selcon_training.evaluate.metrics import compare_maps, prepare_prediction, prepare_truth
from selcon_training.evaluate.queries import Query, QueryFiles, find_pictures

SMOOTHINGS = (0.0, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
"""Standard deviations tried, in map cells."""
TEMPERATURES = (0.17, 0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
"""Temperatures tried, about a factor of √2 apart."""
NO_CHANGE = (0.0, 1.0)
MAX_EXAMPLES = 12
"""Queries that are kept for a report, at most."""


@dataclass(frozen=True)
class Figures:
    """Means over the queries of the validation split."""

    kld: float
    sim: float
    nss: float
    right_part: float


@dataclass(frozen=True)
class Example:
    """A query: the picture's file, the bundle's map before it is softened, and the true part H x W."""

    path: Path
    action: str
    refined: F32
    part: NDArray[np.bool_]


@dataclass(frozen=True)
class Tuning:
    """The choice: `surface[i, j]` is the mean KLD with SMOOTHINGS[i] and TEMPERATURES[j] over `queries`.

    intervals: 95 %, of `before` and `after` by the names of their figures, bootstrapped over object folders.
    examples: some of the queries, evenly spread.
    """

    smoothing: float
    temperature: float
    queries: int
    surface: NDArray[np.float64]
    before: Figures
    after: Figures
    intervals: dict[str, dict[str, Limits]]
    examples: tuple[Example, ...]

    def record(self) -> dict[str, Any]:
        """Return it as plain values, for JSON and the manifest."""
        values = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "examples"}
        values |= {"surface": np.round(self.surface, 4).tolist()}
        values |= {"before": asdict(self.before), "after": asdict(self.after)}
        return values | {"smoothing_tried": list(SMOOTHINGS), "temperature_tried": list(TEMPERATURES)}


@dataclass(frozen=True)
class _Asked:
    """A query, the bundle's calibrated map of it, and the picture's size (height, width)."""

    query: Query
    refined: F32
    size: tuple[int, int]


def tune(
    bundle: Path,
    validation: ValidationSplit,
    out: Path,
    threads: int | None = None,
) -> tuple[Manifest, Tuning]:
    """Choose smoothing and temperature by the mean KLD over a split and write `bundle` with them to `out`.

    The graph stays as it is, byte for byte; what was chosen before is forgotten. Its `limit` takes that
    many pictures, evenly spread. Raises DataError for a test split, which must not decide anything, and for a
    split without truth maps, and ResultNotWritten, with the tuning, where the bundle cannot be written.
    """
    data, split = validation.open(), validation.split
    if not data.has(split):
        raise DataError(
            f"{data.base / split} is missing: softening is chosen on a validation split with truth maps; "
            "move some of the training pictures with truth maps there (egocentric/ and GT/), or name --split"
        )
    files = QueryFiles(data, split)
    given = load_bundle(bundle)
    plain = replace(given, manifest=replace(given.manifest, smoothing=NO_CHANGE[0], temperature=NO_CHANGE[1]))
    grounder = Grounder(plain, open_on_cpu(plain, CpuOptions(threads)))
    asked: list[_Asked] = []
    surface = np.zeros((len(SMOOTHINGS), len(TEMPERATURES)))
    pictures = spread(find_pictures(data, split, grounder.actions), validation.limit)
    for picture in tqdm(pictures, desc=split, unit="image"):
        grounding = grounder.ground(read_picture(picture.path))
        for query in picture.queries.values():
            truth = files.truth(query)
            if truth is None or not truth.any():
                continue
            refined = grounding.refined[grounder.actions.index(query.action)]
            asked.append(_Asked(query, refined, (grounding.height, grounding.width)))
            surface += _kld_of_all(refined, truth)
    if not asked:
        raise DataError(f"{data.base / split / 'GT'} has no usable truth map for any image of {split}")
    surface /= len(asked)
    row, column = np.unravel_index(int(surface.argmin()), surface.shape)
    chosen = (SMOOTHINGS[row], TEMPERATURES[column])
    (before, of_before), (after, of_after) = (_measure(asked, files, *each) for each in (NO_CHANGE, chosen))
    intervals = {"before": of_before, "after": of_after}
    examples = tuple(_example(each, files) for each in spread(asked, MAX_EXAMPLES))
    tuning = Tuning(*chosen, len(asked), surface, before, after, intervals, examples)
    metrics = given.manifest.metrics | {
        "tuning": {"data": data.name, "divide": validation.divide, "split": split, **tuning.record()}
    }
    tuned = replace(given.manifest, smoothing=chosen[0], temperature=chosen[1], metrics=metrics)
    try:
        return write_bundle(out, tuned, given.files), tuning
    except SelconError as error:
        raise ResultNotWritten(error, tuning) from error


def _kld_of_all(refined: F32, truth: U8) -> NDArray[np.float64]:
    """Return the KLD [len(SMOOTHINGS), len(TEMPERATURES)] of one map against its truth."""
    softened = np.stack([[soften(refined, sigma, t) for t in TEMPERATURES] for sigma in SMOOTHINGS])
    found: NDArray[np.float64] = compare_maps(prepare_prediction(softened), prepare_truth(truth)).kld.numpy()
    return found


def _measure(
    asked: list[_Asked], files: QueryFiles, smoothing: float, temperature: float
) -> tuple[Figures, dict[str, Limits]]:
    """Return the means of all figures with this softening, and their intervals by name."""

    def rows() -> Iterator[tuple[float, float, float, float]]:
        for each in asked:
            truth = files.truth(each.query)
            assert truth is not None
            mask: U8 | None = files.mask(each.query)
            soft = soften(each.refined, smoothing, temperature)
            part = part_of(truth, mask)
            (scores,) = score([soft], [upsample(soft, *each.size)], truth, part)
            yield scores.kld, scores.sim, scores.nss, float(scores.right)

    values = np.array(list(rows()))
    limits = mean_limits(values, clusters([each.query.objects[0] for each in asked]))
    names = [each.name for each in fields(Figures)]
    return Figures(*values.mean(axis=0).tolist()), dict(zip(names, limits, strict=True))


def _example(asked: _Asked, files: QueryFiles) -> Example:
    truth = files.truth(asked.query)
    assert truth is not None
    part = part_of(truth, files.mask(asked.query))
    return Example(asked.query.items[0].path, asked.query.action, asked.refined, part)
