"""The kinds of objects of the tabletop world: each is a function from a random generator to a model.

Every action belongs to at least three trained kinds and to an unseen one. What counts as the part of an
action is said in docs/tabletop.md.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from selcon_tabletop import (
    brushes,
    containers,
    cups,
    cutting,
    gripping,
    jugs,
    lipped,
    pans,
    pouring,
    stirring,
    striking,
)
from selcon_tabletop.parts import ObjectModel, Rng

Maker = Callable[[Rng], ObjectModel]
TRAINED: dict[str, Maker] = {
    make.__name__: make
    for make in (
        cutting.knife,
        cutting.bread_knife,
        cutting.table_knife,
        cutting.cleaver,
        cutting.saw,
        cutting.scissors,
        striking.hammer,
        striking.claw_hammer,
        striking.mallet,
        striking.sledge_hammer,
        striking.tenderizer,
        stirring.spoon,
        stirring.cooking_spoon,
        stirring.ladle,
        stirring.skimmer,
        stirring.spatula,
        stirring.turner,
        brushes.brush,
        brushes.paintbrush,
        brushes.round_brush,
        brushes.toothbrush,
        cups.mug,
        cups.cup,
        cups.glass,
        cups.tumbler,
        cups.wine_glass,
        cups.bowl,
        pouring.kettle,
        pouring.bail_kettle,
        pouring.coffee_pot,
        jugs.watering_can,
        jugs.pitcher,
        jugs.ewer,
        pans.pot,
        pans.frying_pan,
        pans.saucepan,
        containers.bottle,
        containers.jar,
        containers.canister,
        gripping.tongs,
        gripping.fork,
        gripping.trowel,
        gripping.garden_shovel,
        gripping.screwdriver,
        gripping.pliers,
        gripping.wrench,
    )
}
UNSEEN: dict[str, Maker] = {
    make.__name__: make
    for make in (
        cutting.chisel,
        cutting.pocket_knife,
        striking.gavel,
        striking.ball_peen_hammer,
        stirring.wooden_spoon,
        stirring.rice_paddle,
        brushes.hand_broom,
        brushes.shaving_brush,
        cups.teacup,
        cups.goblet,
        pouring.teapot,
        jugs.creamer,
        containers.flask,
    )
}
KINDS = (*TRAINED, *UNSEEN)
TRAINING_ONLY: dict[str, Maker] = {make.__name__: make for make in (lipped.jug, lipped.flagon)}
"""Kinds that are trained on and not measured."""


@cache
def actions_of(kind: str) -> tuple[str, ...]:
    """Return the actions, sorted, that every object of a kind affords."""
    return tuple({**TRAINED, **UNSEEN, **TRAINING_ONLY}[kind](np.random.default_rng(0)).actions)
