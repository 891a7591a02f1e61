"""Kinds of tabletop objects made of meshes of files: which mesh is what, and which of its faces do what.

The list is meshes.yaml beside this module; the files come from a media folder (`selcon tabletop media`).
Without one there are no such kinds, and the world is procedural as before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.files.plain_file import read_bytes
from selcon_ros.core.files.yaml_file import parse_object
from selcon_tabletop.mesh_cuts import CONDITIONS, POSES, Cut, cut, lightened, posed, wanted
from selcon_tabletop.mesh_files import MeshError, read_pieces
from selcon_tabletop.mesh_grips import grips
from selcon_tabletop.mesh_looks import MeshLook, coloured
from selcon_tabletop.parts import ACTIONS, PART_KINDS, ObjectModel, Part, Rng, choice
from selcon_tabletop.shapes import Mesh, merged

Maker = Callable[[Rng], ObjectModel]
LIST_FILE = Path(__file__).with_name("meshes.yaml")
LOOKS = ("metal", "wood", "plastic", "rubber", "ceramic", "glass", "bristle", "cloth")
MAX_FACES = 6000
"""Triangles that a mesh keeps: more cost time and are not seen."""
PLAIN_SHARE = 0.3
"""Share of the objects whose parts take plain looks in place of the mesh's own colours and maps."""


@dataclass(frozen=True)
class Rule:
    """A part of a mesh: its kind, action and plain looks, and what tells its faces (see `mesh_cuts.cut`)."""

    kind: str
    action: str | None
    looks: tuple[str, ...]
    conditions: Mapping[str, Any]


SCENERY = {
    "things": Rule("clutter", None, LOOKS[:5], {}),
    "rooms": Rule("background", None, LOOKS[:5], {}),
}


@dataclass(frozen=True, eq=False)
class MeshEntry:
    """A mesh of the list: its file in a media folder, its kind, how large it is and how it lies."""

    mesh: str
    kind: str
    size: float
    pose: str
    turn: float
    tilt: tuple[float, ...]
    take: tuple[str, ...]
    drop: tuple[str, ...]
    body: str | None
    rules: tuple[Rule, ...]
    held_out: bool
    in_use: bool
    top: bool
    raised: float

    @property
    def file(self) -> str:
        """How the path of the mesh ends: library, model and file."""
        return self.mesh if self.mesh.endswith(".obj") else f"{self.mesh}/{self.mesh.split('/')[-1]}.obj"


@lru_cache
def listed(section: str, path: Path = LIST_FILE) -> tuple[MeshEntry, ...]:
    """Return the entries of a section of the list (objects, things or rooms). Raises MeshError, naming the
    entry, for what is not as it should be."""
    content = parse_object(read_bytes(path, MeshError, limit=1 << 20), path, MeshError)
    entries = content.get(section)
    if not isinstance(entries, list):
        raise MeshError(f"{path} has no list of {section}")
    return tuple(_entry(each, section, path) for each in entries)


KEYS = {"mesh", "kind", "size", "pose", "turn", "tilt", "take", "drop", "body", "parts"}
KEYS |= {"held_out", "in_use", "top", "raised"}


def _entry(about: Any, section: str, path: Path) -> MeshEntry:
    """Return an entry of the list, judged."""
    name = about.get("mesh") if isinstance(about, dict) else about
    where = f"{path}, {section}, {name}"
    if not isinstance(about, dict) or not isinstance(name, str):
        raise MeshError(f"{where}: an entry names its mesh")
    if unknown := sorted(set(about) - KEYS):
        raise MeshError(f"{where}: unknown {', '.join(unknown)}; known are {', '.join(sorted(KEYS))}")
    size = about.get("size")
    if not isinstance(size, float) or not 0.01 <= size <= 5:
        raise MeshError(f"{where}: size is {size}, not metres from 0.01 to 5")
    if (pose := about.get("pose", "stand")) not in POSES:
        raise MeshError(f"{where}: pose is {pose}; known are {', '.join(POSES)}")
    parts = about.get("parts", [])
    if section == "objects" and (not parts or not isinstance(about.get("kind"), str)):
        raise MeshError(f"{where}: an object has a kind and parts")
    return MeshEntry(
        name,
        str(about.get("kind", section)),
        size,
        pose,
        float(about.get("turn", 0)),
        tuple(map(float, about.get("tilt", ()))),
        tuple(about.get("take", ())),
        tuple(about.get("drop", ())),
        about.get("body"),
        tuple(_rule(part, where) for part in parts) or (SCENERY[section],),
        about.get("held_out") == "true",
        about.get("in_use", "true") == "true",
        about.get("top") == "true",
        float(about.get("raised", 0)),
    )


def _rule(about: Mapping[str, Any], where: str) -> Rule:
    conditions = {key: value for key, value in about.items() if key not in ("kind", "action", "look")}
    looks = str(about.get("look", "plastic")).split()
    for given, known in (
        ([about.get("kind")], PART_KINDS),
        ([about["action"]] if "action" in about else [], ACTIONS),
        (looks, LOOKS),
        (conditions, CONDITIONS),
    ):
        for each in given:
            if each not in known:
                raise MeshError(f"{where}: {each} is not one of {', '.join(known)}")
    return Rule(about["kind"], about.get("action"), tuple(looks), conditions)


def mesh_kinds(held_out: bool | None = None) -> tuple[str, ...]:
    """Return the kinds of the list, sorted: all, or those for training (False) or held out of it (True)."""
    return tuple(
        sorted({each.kind for each in listed("objects") if held_out is None or each.held_out == held_out})
    )


def mesh_makers(files: Mapping[str, Path], held_out: bool = False, in_use: bool = False) -> dict[str, Maker]:
    """Return, by kind, functions from a random generator to a model made of one of the kind's meshes.

    `files` are a media folder's (`mesh_files_in`); `held_out` gives the kinds never trained on; with `in_use`
    only meshes that a hand can hold in exocentric views. Raises MeshError for a listed mesh that is missing.
    """
    by_kind: dict[str, list[tuple[Path, MeshEntry]]] = {}
    for entry in listed("objects"):
        if entry.held_out == held_out and (entry.in_use or not in_use):
            by_kind.setdefault(entry.kind, []).append((_file(files, entry), entry))
    return {kind: _maker(entries) for kind, entries in sorted(by_kind.items())}


def mesh_things(files: Mapping[str, Path]) -> Callable[[Rng], list[Part]]:
    """Return a function from a random generator to the parts of a thing that affords nothing."""
    return _scenery_maker(files, "things")


def mesh_furniture(files: Mapping[str, Path]) -> Callable[[Rng], list[Part]]:
    """Return a function from a random generator to the parts of a piece of furniture, at its real size."""
    return _scenery_maker(files, "rooms")


def files_of(section: str, files: Mapping[str, Path]) -> list[tuple[Path, MeshEntry]]:
    """Return the files of a section of the list with their entries. Raises MeshError for one missing."""
    return [(_file(files, entry), entry) for entry in listed(section)]


def _scenery_maker(files: Mapping[str, Path], section: str) -> Callable[[Rng], list[Part]]:
    entries = files_of(section, files)

    def make(rng: Rng) -> list[Part]:
        path, entry = entries[rng.integers(len(entries))]
        return scenery(path, entry, rng)

    return make


def scenery(path: Path, entry: MeshEntry, rng: Rng) -> list[Part]:
    """Return a thing or a piece of furniture, varied, as parts that afford nothing."""
    return _model(path, entry, rng).parts


def _file(files: Mapping[str, Path], entry: MeshEntry) -> Path:
    if entry.file not in files:
        raise MeshError(
            f"the media folder has no mesh {entry.file}: collect its files again (selcon tabletop media)"
        )
    return files[entry.file]


def _maker(entries: list[tuple[Path, MeshEntry]]) -> Maker:
    def make(rng: Rng) -> ObjectModel:
        path, entry = entries[rng.integers(len(entries))]
        return _model(path, entry, rng)

    return make


@dataclass(frozen=True)
class _Prepared:
    """Faces of one part and material in canonical pose, with their colours."""

    rule: int
    mesh: Mesh
    look: MeshLook


@lru_cache(maxsize=512)
def _prepared(path: Path, entry: MeshEntry) -> tuple[_Prepared, ...]:
    """Read, pose, cut and lighten a mesh: once a process."""
    pieces = wanted(read_pieces(path), entry.take, entry.drop)
    if not pieces:
        raise MeshError(f"{path} has no piece named {', '.join(entry.take)}")
    pieces = posed(pieces, entry.pose, entry.size, entry.turn, entry.tilt)
    body = wanted(pieces, [entry.body] if entry.body else (), ())
    rules = [rule.conditions for rule in entry.rules]
    cuts = cut(pieces, rules, body)
    missing = set(range(len(rules))) - {each.rule for each in cuts}
    if missing:
        raise MeshError(f"{path}: no face meets {', '.join(str(rules[i]) for i in sorted(missing))}")
    share = MAX_FACES / max(sum(len(each.piece.mesh.faces) for each in cuts), MAX_FACES)
    # A file has more objects and materials than there are colours: what looks alike becomes one mesh.
    alike: dict[tuple[Any, ...], list[Cut]] = {}
    for each in cuts:
        key = (each.rule, each.piece.colour, id(each.piece.texture), each.piece.mesh.uv is None)
        alike.setdefault(key, []).append(each)
    return tuple(
        _Prepared(
            same[0].rule,
            lightened(merged([each.piece.mesh for each in same]), share),
            MeshLook(same[0].piece.colour, same[0].piece.texture),
        )
        for same in alike.values()
    )


def _model(path: Path, entry: MeshEntry, rng: Rng) -> ObjectModel:
    """Return a mesh of the list, stretched and coloured at random."""
    stretch = _stretch(rng, entry.pose == "stand")
    plain = rng.random() < PLAIN_SHARE
    looks = _looks(entry.rules, rng)
    prepared = _prepared(path, entry)
    textures: list[NDArray[np.uint8] | None] = [None] * len(prepared)
    if not plain:
        textures = list(coloured([each.look for each in prepared], rng))
    parts = []
    for each, texture in zip(prepared, textures, strict=True):
        rule, mesh = entry.rules[each.rule], each.mesh.scaled(stretch)
        if texture is not None and mesh.uv is None:
            mesh = Mesh(mesh.vertices, mesh.faces, np.zeros((len(mesh.vertices), 2), np.float32))
        parts.append(Part(rule.kind, mesh, looks[each.rule], rule.action, texture))
    return ObjectModel(entry.kind, parts, grips(parts) if entry.in_use else {}, entry.pose == "stand")


def _looks(rules: Sequence[Rule], rng: Rng) -> list[str]:
    """Return a plain look for each part; parts that may look alike mostly do."""
    shared = {rule.looks: choice(rng, *rule.looks) for rule in rules}
    return [shared[rule.looks] if rng.random() < 0.8 else choice(rng, *rule.looks) for rule in rules]


def _stretch(rng: Rng, stands: bool) -> tuple[float, float, float]:
    """Return a factor from 0.85 to 1.2 for each axis; what stands stays round."""
    x, y, z = rng.uniform(0.92, 1.1) * rng.uniform(0.924, 1.09, 3)
    return (x, x, z) if stands else (x, y, z)
