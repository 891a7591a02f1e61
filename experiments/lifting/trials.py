"""Carry out trials, several at once, and keep what became of each in a file that a later run goes on with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from experiments.lifting.choosing import Choice, centroid, own_grips, published, true_heat
from experiments.lifting.lift import Grasp, Outcome, Trial, Watch, lift
from experiments.lifting.scenes import IMAGE_SIZE, LiftScene, Sight, read, scene_of, write
from experiments.lifting.world import build
from selcon_ros.backends.base import CPU_BACKEND
from selcon_ros.core.errors import SelconError
from selcon_ros.core.grounding.bundle import INT8_ROLE, default_bundle_path, load_bundle
from selcon_ros.core.grounding.heatmap import Heatmap
from selcon_ros.model import Model, load
from selcon_tabletop.model import mujoco
from selcon_tabletop.rendering import Renderer

ACTIONS = {"hold": 3, "open": 17}
"""What is tried, actions at which a hand closes, and how many scenes of each kind unless told otherwise."""
HEAT_SOURCES = ("model", "truth")
"""Where the heat comes from: the network, or the true part."""
GRASP_METHODS: dict[str, Callable[[Sight, Heatmap], Choice]] = {"published": published, "centroid": centroid}
"""How a pose is made of it: as the node does, or the baseline."""
GRIP = "grip"
"""The object's own grip, without camera and heat: it proves the simulation."""
NO_GRASP, WRONG_PART = "no grasp", "wrong part"


@dataclass(frozen=True)
class TrialPlan:
    """The trials of one way: `heat` and `grasp`, `scenes` of each of `kinds` seen from `views` sides, for one
    of `ACTIONS`."""

    heat: str
    grasp: str
    kinds: Sequence[str]
    scenes: int
    views: int
    seed: int
    bundle: Path | None = None
    action: str = "hold"

    @property
    def name(self) -> str:
        """The way's name in files and tables."""
        if self.grasp == GRIP:
            return self._marked(GRIP)
        heat = self.bundle.stem if self.bundle and self.heat == "model" else self.heat
        return self._marked(f"{self.grasp}-{heat}")

    @property
    def scenes_folder(self) -> str:
        """The folder of the scenes, which depend on action, seed and number of views."""
        return self._marked(f"scenes-{self.seed}-{self.views}")

    def _marked(self, name: str) -> str:
        return name if self.action == "hold" else f"{self.action}-{name}"


@dataclass(frozen=True)
class TrialRow:
    """What became of a trial: of a kind's scene `number` seen from side `view`; `cause` is an outcome, or
    why it was never carried out."""

    kind: str
    number: int
    view: int
    cause: str
    why: str = ""
    rise: float = 0.0
    down: float = 0.0
    mass: float = 0.0

    @property
    def lifted(self) -> bool:
        """Whether the object was lifted and kept."""
        return self.cause == Outcome.LIFTED.value


def run(plan: TrialPlan, out: Path, workers: int) -> list[TrialRow]:
    """Carry out what `out` does not hold yet of a plan; return all its rows in order.

    Rows are kept in `out`/NAME-SEED-VIEWS.jsonl. Raises SelconError for rows that are none.
    """
    folder = out / plan.scenes_folder
    folder.mkdir(parents=True, exist_ok=True)
    kept = out / f"{plan.name}-{plan.seed}-{plan.views}.jsonl"
    rows = {(row.kind, row.number, row.view): row for row in _kept(kept)}
    sides = range(1 if plan.grasp == GRIP else plan.views)
    wanted = [(kind, number, view) for number in range(plan.scenes) for kind in plan.kinds for view in sides]
    missing = list(
        dict.fromkeys((kind, number) for kind, number, view in wanted if (kind, number, view) not in rows)
    )
    with (
        ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool,
        kept.open("a", encoding="utf-8") as file,
        tqdm(total=len(missing), desc=plan.name, unit="scene", disable=None) as bar,
    ):
        waiting = [pool.submit(_scene_rows, plan, folder, kind, number) for kind, number in missing]
        for done in as_completed(waiting):
            for row in done.result():
                key = row.kind, row.number, row.view
                if key not in rows:
                    rows[key] = row
                    file.write(json.dumps(asdict(row)) + "\n")
            file.flush()
            bar.update()
    return [rows[key] for key in wanted]


def _kept(path: Path) -> Iterator[TrialRow]:
    """Give the rows of an earlier run; a last line that was cut off does not count, and is cut away."""
    if not path.exists():
        return
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            yield TrialRow(**json.loads(line))
        except (TypeError, ValueError) as error:
            raise SelconError(
                f"{path}, line {number}: no row of a trial ({error}); delete the file"
            ) from error


@lru_cache(maxsize=1)
def _renderer() -> Renderer:
    return Renderer(*IMAGE_SIZE)


@lru_cache(maxsize=1)
def _model(bundle: Path | None) -> Model:
    # The same graph on every machine: which is faster there makes no difference here.
    place = bundle or default_bundle_path()
    has_int8 = INT8_ROLE in load_bundle(place, roles=()).manifest.files
    return load(place, CPU_BACKEND, "int8" if has_int8 else "fp32")


def scene(plan: TrialPlan, folder: Path, kind: str, number: int) -> LiftScene:
    """Return a scene, from its file if it is there."""
    path = folder / f"{kind}-{number}.npz"
    if not path.exists():
        write(scene_of(kind, number, plan.views, plan.seed, _renderer(), plan.action), path)
    return read(path)


def heat_of(plan: TrialPlan, sight: Sight) -> Heatmap:
    """Return the heatmap of the plan's action."""
    if plan.heat == "truth":
        return true_heat(sight, plan.action)
    return _model(plan.bundle).ground(sight.image).heatmap(plan.action)


def _scene_rows(plan: TrialPlan, folder: Path, kind: str, number: int) -> list[TrialRow]:
    """Carry out the trials of one scene."""
    cv2.setNumThreads(1)
    found = scene(plan, folder, kind, number)
    mass = round(found.body.mass, 3)
    if plan.grasp == GRIP:
        trial, grasp = best_grip(found)
        return [
            TrialRow(
                kind,
                number,
                0,
                trial.outcome.value,
                "",
                round(trial.rise, 4),
                _degrees_from_down(grasp),
                mass,
            )
        ]
    rows = []
    for view, sight in enumerate(found.sights):
        choice = GRASP_METHODS[plan.grasp](sight, heat_of(plan, sight))
        if choice.grasp is None:
            rows.append(TrialRow(kind, number, view, NO_GRASP, choice.why, mass=mass))
            continue
        trial = carried_out(found, choice.grasp)
        # A part that is not meant can be lifted by, too: that is no success.
        cause = trial.outcome.value if choice.right else WRONG_PART
        rows.append(
            TrialRow(
                kind,
                number,
                view,
                cause,
                trial.outcome.value,
                round(trial.rise, 4),
                _degrees_from_down(choice.grasp),
                mass,
            )
        )
    return rows


def world_of(found: LiftScene) -> tuple[mujoco.MjModel, mujoco.MjData]:
    """Return the world of a scene, with a hand."""
    return build(found.body, found.pose, found.obstacles, found.half, fixed=found.fixed)


def carried_out(found: LiftScene, grasp: Grasp, watch: Watch | None = None) -> Trial:
    """Carry out a grasp in a scene."""
    model, data = world_of(found)
    return lift(model, data, grasp) if watch is None else lift(model, data, grasp, watch)


def best_grip(found: LiftScene) -> tuple[Trial, Grasp]:
    """Return the first way to close on the object's own grip that lifts it, or the first way."""
    tried = []
    for grasp in own_grips(found):
        tried.append((carried_out(found, grasp), grasp))
        if tried[-1][0].outcome is Outcome.LIFTED:
            return tried[-1]
    return tried[0]


def _degrees_from_down(grasp: Grasp) -> float:
    """Return degrees between the approach and straight down."""
    return round(float(np.degrees(np.arccos(np.clip(-grasp.axes[2, 2], -1, 1)))), 1)
