"""Meshes of furniture libraries: Wavefront OBJ with its materials (MTL) and the maps that they name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from selcon_tabletop.media.archives import MAX_FILE_BYTES, Members
from selcon_tabletop.media.listing import MediaError

MAP_KEYWORDS = ("map_", "bump", "disp", "decal", "refl", "norm")
"""How lines of an MTL file begin that name a picture."""


@dataclass(frozen=True)
class MeshFiles:
    """What lies beside an OBJ file: contents by name, and its materials' names in the order of their use."""

    beside: dict[str, bytes]
    materials: tuple[str, ...]


def read_mesh(archive: Members, path: str, content: bytes) -> MeshFiles:
    """Return what belongs to the OBJ file at `path` of an archive.

    Only files of its own folder are read. Lines of the MTL file that name other pictures (some name places on
    their author's disk) are left out of it. Raises MediaError for an MTL file elsewhere or missing.
    """
    folder = path.rpartition("/")[0] + "/"
    here = {name.removeprefix(folder) for name in archive.names if name.startswith(folder)}
    beside: dict[str, bytes] = {}
    materials: dict[str, None] = {}
    for line in content.decode("latin-1").splitlines():
        word, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        if word == "usemtl":
            materials[rest] = None
        elif word == "mtllib" and rest not in beside:
            if PurePosixPath(rest).name != rest or rest not in here:
                raise MediaError(f"{path} names the materials {rest!r}, which do not lie beside it")
            lines = []
            for each in archive.read(folder + rest, MAX_FILE_BYTES).decode("latin-1").splitlines():
                picture = _picture(each, here)
                if picture is None:
                    continue
                lines.append(each)
                if picture and picture not in beside:
                    beside[picture] = archive.read(folder + picture, MAX_FILE_BYTES)
            beside[rest] = ("\n".join(lines) + "\n").encode("latin-1")
    return MeshFiles(beside, tuple(materials))


def _picture(line: str, here: set[str]) -> str | None:
    """Return the picture that a line of an MTL file names, empty if none; None if it does not lie here."""
    word, _, rest = line.strip().partition(" ")
    if not word.lower().startswith(MAP_KEYWORDS):
        return ""
    rest = rest.strip()
    # Options may come first; names may have spaces.
    for name in (rest, rest.split()[-1] if rest else ""):
        if name and name in here and PurePosixPath(name).name == name:
            return name
    return None
