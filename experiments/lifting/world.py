"""A MuJoCo world of a table, an object that can be lifted, what of it stays, things that stand about, and a
hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.lifting.bodies import Body, support_of
from experiments.lifting.hand import add_hand
from selcon_tabletop.model import mujoco, quaternion
from selcon_tabletop.parts import Z
from selcon_tabletop.shapes import Points

STEP_SECONDS = 0.002
"""Seconds of simulated time a step."""
OBJECT_FRICTION = [0.5, 0.005, 0.0005]
"""Of objects on the table: sliding, torsional (metres), rolling (metres)."""
HELD_COLOUR, OTHER_COLOUR, STANDING_COLOUR = [0.95, 0.55, 0.1, 1], [0.75, 0.75, 0.78, 1], [0.45, 0.5, 0.6, 1]
UNSEEN_COLOUR = [0.0, 0, 0, 0]


@dataclass(frozen=True)
class Pose:
    """Where something is in the world: `position` [3] in metres and `rotation` [3, 3]."""

    position: Points
    rotation: Points


def build(
    body: Body,
    pose: Pose,
    obstacles: Sequence[Points] = (),
    half: tuple[float, float] = (0.6, 0.6),
    hand: bool = True,
    fixed: Sequence[Points] = (),
) -> tuple[mujoco.MjModel, mujoco.MjData]:
    """Return the compiled world with its object at `pose`; `half` are the table's half lengths in metres.

    `fixed` are pieces in the object's frame that stay where they are, whatever presses on them: the body of
    what is opened. The object rests on what of them is below it, and passes the rest; the hand does not.
    """
    spec = mujoco.MjSpec()
    spec.option.timestep = STEP_SECONDS
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone, spec.option.impratio = mujoco.mjtCone.mjCONE_ELLIPTIC, 10
    spec.visual.global_.offwidth, spec.visual.global_.offheight = 640, 480
    spec.visual.map.znear = 0.02
    spec.stat.extent, spec.stat.center = 1.0, [0, 0, 0]
    spec.worldbody.add_light(pos=[0.3, -0.4, 1.5], dir=[-0.2, 0.25, -1], castshadow=True)
    spec.worldbody.add_geom(
        name="table",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[*half, 0.02],
        pos=[0, 0, -0.02],
        rgba=[0.85, 0.8, 0.7, 1],
        friction=OBJECT_FRICTION,
        contype=1,
        conaffinity=2 | 4,
    )
    for number, points in enumerate(obstacles):
        _add_hull(spec, spec.worldbody, f"obstacle{number}", points, STANDING_COLOUR, 0.0, 8, 2 | 4)
    lifted = spec.worldbody.add_body(name="object", pos=pose.position, quat=quaternion(pose.rotation))
    lifted.add_freejoint(name="object")
    for number, (points, mass) in enumerate(zip(body.pieces, body.masses, strict=True)):
        colour = HELD_COLOUR if body.held[number] else OTHER_COLOUR
        _add_hull(spec, lifted, f"piece{number}", points, colour, mass, 2, 1 | 4 | 8)
    held_fast = spec.worldbody.add_body(name="fixed", pos=pose.position, quat=quaternion(pose.rotation))
    for number, points in enumerate(fixed):
        _add_hull(spec, held_fast, f"fixed{number}", points, OTHER_COLOUR, 0.0, 16, 4)
    for number, points in enumerate(support_of(body, fixed)):
        _add_hull(spec, held_fast, f"support{number}", points, UNSEEN_COLOUR, 0.0, 16, 2)
    if hand:
        add_hand(spec)
    model = spec.compile()
    return model, mujoco.MjData(model)


def _add_hull(
    spec: mujoco.MjSpec,
    owner: mujoco.MjsBody,
    name: str,
    points: Points,
    colour: list[float],
    mass: float,
    contype: int,
    conaffinity: int,
) -> None:
    mesh = spec.add_mesh(name=name, inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX)
    mesh.uservert = points.ravel().tolist()
    owner.add_geom(
        name=name,
        type=mujoco.mjtGeom.mjGEOM_MESH,
        meshname=name,
        rgba=colour,
        mass=mass,
        friction=OBJECT_FRICTION,
        condim=6 if mass else 3,
        contype=contype,
        conaffinity=conaffinity,
    )


def settled(body: Body, pose: Pose, seconds: float = 1.0) -> Pose | None:
    """Return where an object comes to rest when it is let go just above `pose`; None if it does not."""
    raised = Pose(pose.position + 0.001 * Z, pose.rotation)
    model, data = build(body, raised, hand=False)
    model.opt.timestep = 0.004
    for _ in range(int(seconds / 0.004)):
        mujoco.mj_step(model, data)
    if np.abs(data.qvel).max() > 0.2 or np.hypot(*data.qpos[:2]) > 0.25:
        return None
    return object_pose(model, data)


def object_pose(model: mujoco.MjModel, data: mujoco.MjData) -> Pose:
    """Return where the object is now."""
    number = model.body("object").id
    return Pose(data.xpos[number].copy(), data.xmat[number].reshape(3, 3).copy())
