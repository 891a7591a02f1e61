"""The kinds of objects of the tabletop world: each is a function from a random generator to a model.

Design rules (they decide what weak labels can teach): every action belongs to at least three kinds whose
acting
part looks alike, every kind affords at least two actions at different parts, and no part affords two actions.
"""

from __future__ import annotations

from collections.abc import Callable

from selcon_training.tabletop import tools, vessels
from selcon_training.tabletop.parts import ObjectModel, Rng

Maker = Callable[[Rng], ObjectModel]
TRAINED: dict[str, Maker] = {
    make.__name__: make
    for make in (
        tools.knife,
        tools.cleaver,
        tools.saw,
        tools.hammer,
        tools.mallet,
        tools.tenderizer,
        tools.spoon,
        tools.ladle,
        tools.skimmer,
        tools.brush,
        tools.paintbrush,
        tools.toothbrush,
        vessels.mug,
        vessels.glass,
        vessels.tumbler,
        vessels.kettle,
        vessels.coffee_pot,
        vessels.watering_can,
        vessels.bottle,
        vessels.jar,
        vessels.canister,
    )
}
UNSEEN: dict[str, Maker] = {
    make.__name__: make
    for make in (
        tools.chisel,
        tools.gavel,
        tools.wooden_spoon,
        tools.hand_broom,
        vessels.teacup,
        vessels.teapot,
        vessels.flask,
    )
}
KINDS = (*TRAINED, *UNSEEN)
