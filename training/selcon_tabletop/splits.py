"""The splits of the tabletop data set, and which scene each of their numbers is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from selcon_tabletop.catalogue import Catalogue
from selcon_tabletop.exocentric import exocentric_scene
from selcon_tabletop.objects import TRAINED, actions_of
from selcon_tabletop.parts import ACTIONS, Rng
from selcon_tabletop.scene import Scene, negative_scene, table_scene

PROCEDURAL = Catalogue()
TRAIN_SIZE, TEST_SIZE = (448, 336), (640, 480)


@dataclass(frozen=True)
class Split:
    """One part of the data set: how many scenes of what kind, in which folder, at what size (width,
    height)."""

    name: str
    folder: str
    scenes: int
    style: str  # single | table | mixed | exocentric | nothing | clutter | bare
    views: int
    size: tuple[int, int]
    unseen: bool = False

    @property
    def measured(self) -> bool:
        """Whether masks, depth and cameras are written: everywhere but in training."""
        return self.size == TEST_SIZE


def splits(scale: float = 1.0, meshes: bool = False) -> list[Split]:
    """Return the splits of the data set, their scene counts multiplied by `scale` (at least one scene for
    each kind of question); `meshes`: with the one of real meshes that are held out of training."""

    def count(full: int) -> int:
        return max(round(full * scale), min(full, len(ACTIONS)))

    held_out = Split("unseen-meshes", "Unseen/meshset", count(150), "mixed", 1, TEST_SIZE, unseen=True)
    return [
        Split("validation", "Seen/valset", count(160), "mixed", 2, TEST_SIZE),
        Split("validation-nothing", "Seen/valnothingset", count(160), "nothing", 1, TEST_SIZE),
        Split("validation-clutter", "Seen/valclutterset", count(160), "clutter", 1, TEST_SIZE),
        Split("train-single", "Seen/trainset", count(1300), "single", 4, TRAIN_SIZE),
        Split("train-exocentric", "Seen/trainset", count(800), "exocentric", 2, TRAIN_SIZE),
        Split("train-table", "Seen/tableset", count(1800), "table", 4, TRAIN_SIZE),
        Split("train-nothing", "Seen/tableset", count(300), "bare", 4, TRAIN_SIZE),
        Split("seen", "Seen/testset", count(300), "mixed", 1, TEST_SIZE),
        Split("unseen", "Unseen/testset", count(300), "mixed", 1, TEST_SIZE, unseen=True),
        Split("nothing", "Seen/nothingset", count(240), "nothing", 1, TEST_SIZE),
        Split("clutter", "Seen/clutterset", count(160), "clutter", 1, TEST_SIZE),
        *([held_out] if meshes else []),
    ]


@lru_cache
def pairs() -> list[tuple[str, str]]:
    """Return every (action, kind) of the trained kinds, actions taking turns so that each is shown equally
    often."""
    by_action: dict[str, list[str]] = {action: [] for action in ACTIONS}
    for kind in TRAINED:
        for action in actions_of(kind):
            by_action[action].append(kind)
    most = max(map(len, by_action.values()))
    return [(action, kinds[turn % len(kinds)]) for turn in range(most) for action, kinds in by_action.items()]


def draw(split: Split, index: int, rng: Rng, world: Catalogue) -> tuple[Scene, list[str]]:
    """Return scene `index` of a split and the actions that may be asked of it."""
    if split.measured:  # as without a media folder, so that figures can be compared
        world = world.held_out_meshes if split.name == "unseen-meshes" else PROCEDURAL
    else:
        world = world.for_training
    clutter = int(rng.integers(0, 5 if split.measured else 8))
    if split.style == "exocentric":
        action, kind = pairs()[index % len(pairs())]
        return exocentric_scene(rng, TRAINED[kind](rng), action, clutter // 2, split.views), [action]
    if split.style == "bare":
        bare = negative_scene(rng, clutter, split.views, world.things, world.furniture)
        return bare, [ACTIONS[index % len(ACTIONS)]]
    if split.style == "clutter":
        return table_scene(rng, [], clutter + 1, split.views, True), list(ACTIONS)
    if split.style == "nothing":
        return _negative(split, index, rng, world, clutter)
    if split.style == "single" or (split.style == "mixed" and index % 2 == 0):
        number = 1
    else:
        number = int(rng.integers(3, 6) if split.measured else rng.integers(2, 8))
    kinds = world.kinds(split.unseen)
    number = min(number, len(kinds))
    first = kinds[(index // (2 if split.style == "mixed" else 1)) % len(kinds)]
    others = rng.choice([kind for kind in kinds if kind != first], number - 1, replace=False)
    models = [world.make(kind, split.unseen, rng) for kind in (first, *others)]
    scene = table_scene(rng, models, clutter, split.views, split.measured, world.things, world.furniture)
    return scene, list(ACTIONS)


def _negative(split: Split, index: int, rng: Rng, world: Catalogue, clutter: int) -> tuple[Scene, list[str]]:
    """Return a table with objects of which none affords the action that is asked."""
    action = ACTIONS[index % len(ACTIONS)]
    fitting = world.without(action)
    number = min(len(fitting), int(rng.integers(1, 4)))
    chosen = [fitting[int(place)] for place in rng.choice(len(fitting), number, replace=False)]
    models = [world.make(kind, unseen, rng) for kind, unseen in chosen]
    return table_scene(rng, models, clutter + 2, split.views, True, world.things), [action]
