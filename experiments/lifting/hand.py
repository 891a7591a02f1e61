"""A parallel-jaw hand that floats freely: two box fingers, a palm, position control with bounded force."""

from __future__ import annotations

from typing import Any

from selcon_tabletop.model import mujoco

OPENING = 0.10
"""Metres between the open fingers."""
FINGER_SIZE = (0.008, 0.022, 0.06)
"""Metres: thickness of a finger along the closing axis, width, free length."""
PALM_SIZE = (0.13, 0.05, 0.06)
"""Metres along closing axis, across it, and along the approach."""
FINGER_FORCE = 60.0
"""Newtons that each finger closes with."""
PAD_FRICTION = 0.8
"""Of rubber pads on what they hold."""
HAND_MASS = 1.0
"""Kilograms of the hand."""

HAND_BITS = {"contype": 4, "conaffinity": 1 | 2 | 8}
"""Contacts: 1 the table, 2 the object, 4 the hand, 8 what stands about, 16 what of the object stays."""


def add_hand(spec: mujoco.MjSpec) -> None:
    """Add the hand, in a frame as grasps have: x closes, z approaches; its origin is between the tips.

    A mocap body `wrist` leads it; `fingers` is the actuator, from 0 (open) to OPENING / 2 (closed).
    """
    wrist = spec.worldbody.add_body(name="wrist", mocap=True)
    wrist.pos = [0, 0, 1]
    hand = spec.worldbody.add_body(name="hand", pos=[0, 0, 1], gravcomp=1)
    hand.add_freejoint(name="hand")
    thick, wide, long = FINGER_SIZE
    common: dict[str, Any] = {
        "type": mujoco.mjtGeom.mjGEOM_BOX,
        "rgba": [0.25, 0.27, 0.3, 1],
        "priority": 1,
        "condim": 4,
        "friction": [PAD_FRICTION, 0.01, 0.0001],
        "solref": [0.004, 1],
        **HAND_BITS,
    }
    half = [side / 2 for side in PALM_SIZE]
    hand.add_geom(name="palm", pos=[0, 0, -long - half[2]], size=half, mass=0.8 * HAND_MASS, **common)
    for name, side in (("left", -1.0), ("right", 1.0)):
        finger = hand.add_body(name=name, pos=[side * (OPENING + thick) / 2, 0, -long / 2], gravcomp=1)
        joint = finger.add_joint(name=name, type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[-side, 0, 0])
        joint.range, joint.limited, joint.armature = [0, OPENING / 2], True, 0.1
        finger.add_geom(name=name, size=[thick / 2, wide / 2, long / 2], mass=0.1 * HAND_MASS, **common)
        actuator = spec.add_actuator(
            name=name,
            target=name,
            trntype=mujoco.mjtTrn.mjTRN_JOINT,
            forcerange=[-FINGER_FORCE, FINGER_FORCE],
        )
        actuator.set_to_position(kp=8000, kv=200)
    both = spec.add_equality(type=mujoco.mjtEq.mjEQ_JOINT, name1="left", name2="right")
    both.data[:5] = [0, 1, 0, 0, 0]
    both.objtype, both.solref = mujoco.mjtObj.mjOBJ_JOINT, [0.004, 1]
    weld = spec.add_equality(type=mujoco.mjtEq.mjEQ_WELD, name1="wrist", name2="hand")
    weld.objtype, weld.solref = mujoco.mjtObj.mjOBJ_BODY, [0.008, 1]
    weld.solimp[:3] = [0.98, 0.999, 0.001]
    weld.data[:11] = [0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1]
