"""The world that is rendered: procedural, or with the meshes and pictures of a media folder."""

from __future__ import annotations

import os
from functools import lru_cache
from hashlib import sha256
from pathlib import Path, PurePosixPath

from selcon_ros.core.files.json_file import read_object
from selcon_ros.core.files.plain_file import read_bytes
from selcon_ros.core.text import quoted
from selcon_tabletop.catalogue import Catalogue
from selcon_tabletop.mesh_files import MAX_MODEL_BYTES, MeshError
from selcon_tabletop.mesh_kinds import mesh_furniture, mesh_makers, mesh_things
from selcon_tabletop.splits import PROCEDURAL
from selcon_training.data.pictures import MEDIA_FILE, pool_of

PICTURE_SIZE = (288, 384)
"""Rows and columns that a picture of a media folder covers once it is shrunk."""


@lru_cache(maxsize=2)
def read_world(media: Path | None) -> Catalogue:
    """Return the procedural world, with the meshes and pictures of a media folder (`selcon tabletop media`)
    if one is given.

    Raises SelconError for a folder that is no media folder, is incomplete or holds what it does not list.
    """
    if media is None:
        return PROCEDURAL
    files = mesh_files_in(media)
    return Catalogue(
        meshes=(mesh_makers(files), mesh_makers(files, held_out=True)),
        things=[mesh_things(files)],
        furniture=[mesh_furniture(files)],
        textures=pool_of([media], "texture", "--media", PICTURE_SIZE),
        backdrops=pool_of([media], "background", "--media", PICTURE_SIZE),
    )


def mesh_files_in(folder: str | Path) -> dict[str, Path]:
    """Return the OBJ files of a media folder by library, model and file name ("scopia/marteau/marteau.obj").

    Raises MeshError for a folder without media.json, and for one that lists paths outside it or files that
    are missing or not what their SHA-256 says.
    """
    folder = Path(folder)
    if not os.path.lexists(folder / MEDIA_FILE):
        raise MeshError(f"{folder} has no {MEDIA_FILE}: give a folder that `selcon tabletop media` has made")
    about = read_object(folder / MEDIA_FILE, MeshError)
    if about.get("format") != 1 or not isinstance(about.get("files"), list):
        raise MeshError(f"{folder / MEDIA_FILE} is not of format 1: collect its files again")
    found = {}
    for each in about["files"]:
        path = PurePosixPath(str(each.get("path"))) if isinstance(each, dict) else PurePosixPath()
        if path.is_absolute() or ".." in path.parts:
            raise MeshError(f"{folder / MEDIA_FILE} lists {quoted(str(path))}, outside its folder")
        if path.suffix == ".obj" and each.get("kind") == "mesh":
            _check(folder / path, each.get("sha256"))
            library, *rest = path.parts[-3:]
            found["/".join((library.lower(), *rest))] = folder / path
    return found


def _check(path: Path, listed: object) -> None:
    """Raise MeshError for a file that is missing or has another SHA-256 than the one listed, if one is."""
    content = read_bytes(path, MeshError, limit=MAX_MODEL_BYTES)
    if listed not in (None, sha256(content).hexdigest()):
        raise MeshError(
            f"{path} is not the file that {MEDIA_FILE} lists: its SHA-256 differs; collect the folder again"
        )
