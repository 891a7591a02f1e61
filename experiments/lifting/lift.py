"""One trial: the hand moves to a pose, closes, lifts 15 cm and shakes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np

from experiments.lifting.hand import FINGER_SIZE, OPENING
from experiments.lifting.world import STEP_SECONDS
from selcon_tabletop.model import mujoco, quaternion
from selcon_tabletop.shapes import Points

APPROACH_DISTANCE = 0.12
"""Metres before its goal that the hand begins its straight approach."""
LIFT_HEIGHT, MIN_RISE = 0.15, 0.10
"""Metres that the hand lifts, and that the object's centre of mass must have risen in the end."""
TOUCH_FORCE = 5.0
"""Newtons at which the approach stops: a guarded move, as robots do it. The hand then gives way until there
is less, by `MAX_YIELD` metres at most."""
MAX_YIELD = 0.005
PALM_CLEARANCE = 0.005
"""Metres that the palm stays off the part."""
MIN_REACH = 0.004
"""Metres past the surface: a hand that failed and did not come so far was stopped too early."""


class Outcome(str, Enum):
    """What became of a trial."""

    LIFTED = "lifted"
    BLOCKED = "hand blocked by table or things"
    ON_TOP = "fingers on top of the part"
    MISSED = "closed on nothing"
    ON_BODY = "closed on the body"
    SLIPPED = "slipped"


@dataclass(frozen=True)
class Grasp:
    """Where to close, in the world: the `point` on the part's surface [3] in metres, the gripper's `axes`
    [3, 3] as columns (x closes, z approaches), and the part's `width` in metres."""

    point: Points
    axes: Points
    width: float

    @property
    def reach(self) -> float:
        """Metres past the surface that the tips go: beyond the middle of a round part, as far as there is
        finger."""
        return float(np.clip(self.width / 2 + 0.01, 0.015, FINGER_SIZE[2] - PALM_CLEARANCE))


@dataclass(frozen=True)
class Trial:
    """What became of a grasp, and how far the object's centre rose in metres."""

    outcome: Outcome
    rise: float


Watch = Callable[[str], None]
"""Is told each stage by its name: the moment to take a picture."""


def lift(
    model: mujoco.MjModel, data: mujoco.MjData, grasp: Grasp, watch: Watch = lambda stage: None
) -> Trial:
    """Carry out a grasp in a built world whose object is at rest."""
    run = _Run(model, data, grasp)
    before = run.height()
    if run.touching("table", "obstacle", "fixed"):
        watch("blocked")
        return Trial(Outcome.BLOCKED, 0.0)
    watch("approach")
    reached, stopper = run.approach()
    run.close()
    watch("closed")
    caught = run.between()
    missed = Outcome.ON_BODY if run.touching("fixed") else Outcome.MISSED
    run.move([0, 0, LIFT_HEIGHT], 1.0)
    watch("lifted")
    run.shake()
    watch("shaken")
    rise = run.height() - before
    if rise >= MIN_RISE and run.between():
        return Trial(Outcome.LIFTED, rise)
    if reached < MIN_REACH:
        return Trial(Outcome.ON_TOP if stopper == "object" else Outcome.BLOCKED, rise)
    return Trial(Outcome.SLIPPED if caught else missed, rise)


class _Run:
    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData, grasp: Grasp) -> None:
        self.model, self.data, self.grasp = model, data, grasp
        self.object = model.body("object").id
        self.owner = {
            geom: name.rstrip("0123456789").replace("piece", "object")
            for geom in range(model.ngeom)
            if (name := model.geom(geom).name)
        }
        self.goal = grasp.point + grasp.reach * grasp.axes[:, 2]
        start = self.goal - APPROACH_DISTANCE * grasp.axes[:, 2]
        turn = quaternion(grasp.axes)
        address = model.joint("hand").qposadr[0]
        data.qpos[address : address + 7] = [*start, *turn]
        data.mocap_pos[0], data.mocap_quat[0] = start, turn
        data.ctrl[:] = 0
        mujoco.mj_forward(model, data)

    def height(self) -> float:
        return float(self.data.subtree_com[self.object][2])

    def _contacts(self) -> list[tuple[str, str, float]]:
        """Return (part of the hand, what it touches, newtons) for each contact of the hand."""
        found = []
        force = np.zeros(6)
        for number in range(self.data.ncon):
            contact = self.data.contact[number]
            names = [self.owner.get(int(geom), "") for geom in contact.geom]
            for own, other in (names, names[::-1]):
                if own in ("palm", "left", "right") and other not in ("palm", "left", "right"):
                    mujoco.mj_contactForce(self.model, self.data, number, force)
                    found.append((own, other, float(np.linalg.norm(force[:3]))))
        return found

    def touching(self, *others: str) -> bool:
        return any(other in others for _, other, _ in self._contacts())

    def between(self) -> bool:
        """Whether both fingers press on the object."""
        pressing = {own for own, other, force in self._contacts() if other == "object" and force > 0.2}
        return {"left", "right"} <= pressing

    def approach(self) -> tuple[float, str]:
        """Move to the goal until something is touched; return metres past the surface, and what it was."""
        start = self.data.mocap_pos[0].copy()
        steps = int(0.8 / STEP_SECONDS)
        stopper = ""
        for step in range(steps):
            self.data.mocap_pos[0] = start + (self.goal - start) * (step + 1) / steps
            mujoco.mj_step(self.model, self.data)
            pressed = self._pressed()
            hardest = max(pressed, key=lambda other: pressed[other], default="")
            if hardest and pressed[hardest] > TOUCH_FORCE:
                stopper = hardest
                break
        self.wait(0.05)
        for _ in range(int(MAX_YIELD / 0.0001)):
            if sum(self._pressed().values()) < TOUCH_FORCE:
                break
            self.data.mocap_pos[0] -= 0.0001 * self.grasp.axes[:, 2]
            self.wait(2 * STEP_SECONDS)
        self.wait(0.05)
        hand = self.data.xpos[self.model.body("hand").id]
        return float((hand - self.grasp.point) @ self.grasp.axes[:, 2]), stopper

    def _pressed(self) -> dict[str, float]:
        """Return the newtons with which the hand presses on each thing."""
        pressed: dict[str, float] = {}
        for _, other, force in self._contacts():
            pressed[other] = pressed.get(other, 0.0) + force
        return pressed

    def close(self) -> None:
        steps = int(0.5 / STEP_SECONDS)
        for step in range(steps):
            # The goal lies beyond closed, so that the force is full whatever is between the fingers.
            self.data.ctrl[:] = (OPENING / 2 + 0.01) * (step + 1) / steps
            mujoco.mj_step(self.model, self.data)
        self.wait(0.1)

    def move(self, by: Points | list[float], seconds: float) -> None:
        start = self.data.mocap_pos[0].copy()
        steps = int(seconds / STEP_SECONDS)
        for step in range(steps):
            share = (step + 1) / steps
            self.data.mocap_pos[0] = start + np.asarray(by) * share**2 * (3 - 2 * share)
            mujoco.mj_step(self.model, self.data)
        self.wait(0.1)

    def shake(self) -> None:
        """Shake by 2 cm at 2.5 Hz, first along one horizontal axis, then along the other: up to 4.9 m/s²."""
        start = self.data.mocap_pos[0].copy()
        for axis in range(2):
            for step in range(int(0.8 / STEP_SECONDS)):
                time = (step + 1) * STEP_SECONDS
                self.data.mocap_pos[0] = start
                self.data.mocap_pos[0][axis] += 0.02 * np.sin(2 * np.pi * 2.5 * time)
                mujoco.mj_step(self.model, self.data)
        self.wait(0.3)

    def wait(self, seconds: float) -> None:
        for _ in range(int(seconds / STEP_SECONDS)):
            mujoco.mj_step(self.model, self.data)
