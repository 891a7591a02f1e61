"""The world that is rendered: procedural, or with the meshes and pictures of a media folder."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from selcon_tabletop.catalogue import Catalogue
from selcon_tabletop.media_folder import mesh_files_in
from selcon_tabletop.mesh_kinds import mesh_furniture, mesh_makers, mesh_things
from selcon_tabletop.splits import PROCEDURAL
from selcon_training.data.pictures import pool_of

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
        textures=pool_of(media, "texture", "--media", PICTURE_SIZE),
        backdrops=pool_of(media, "background", "--media", PICTURE_SIZE),
    )
