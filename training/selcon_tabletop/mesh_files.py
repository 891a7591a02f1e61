"""Read textured meshes of files: Wavefront OBJ with its MTL and colour maps, within bounds.

trimesh parses; what it passes over in silence (a missing map, an index out of range) is refused here.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.errors import SelconError, first_line
from selcon_ros.core.files.plain_file import read_bytes
from selcon_ros.core.pictures.image_decoding import decode
from selcon_ros.core.text import quoted
from selcon_tabletop.shapes import Mesh

MAX_MODEL_BYTES = 64 << 20
"""Bytes of an OBJ file; a piece of furniture has one to five million."""
MAX_MATERIAL_BYTES = 1 << 20
MAX_MAP_BYTES = 32 << 20
MAX_COUNT = 400_000
"""Vertices, texture coordinates or faces of a file; a potted plant has fifty thousand."""
MAX_MAP_SIDE = 256
"""Pixels of a map's longer side; larger ones are shrunk."""


class MeshError(SelconError):
    """A mesh file, or what it refers to, is missing, damaged or too large."""


@dataclass(frozen=True)
class Piece:
    """The faces of one object or group of a file that share a material.

    `mesh` is in the file's units and axes (y up by custom), with uv where the file has a map; `colour` is the
    material's diffuse RGB 0..1, `texture` its colour map, HxWx3 uint8 RGB.
    """

    name: str
    material: str
    mesh: Mesh
    colour: tuple[float, float, float]
    texture: NDArray[np.uint8] | None


class _Resolver:
    """Gives trimesh the material file and the maps beside a model, and nothing from anywhere else."""

    def __init__(self, model: Path) -> None:
        self.folder, self.file_name = model.parent, model.name
        self.maps: dict[str, bytes] = {}

    def get(self, name: str) -> bytes:
        relative = PurePosixPath(name.strip().replace("\\", "/"))
        if relative.is_absolute() or ".." in relative.parts or not relative.parts:
            raise MeshError(f"{self.folder / self.file_name} names {quoted(name, 100)}, outside its folder")
        material = relative.suffix.lower() == ".mtl"
        content = read_bytes(
            self.folder / relative, MeshError, limit=MAX_MATERIAL_BYTES if material else MAX_MAP_BYTES
        )
        if not material:
            self.maps[name] = content
        return content

    __getitem__ = get


def read_pieces(path: str | Path) -> list[Piece]:
    """Return what an OBJ file holds, one piece for each material of each object or group, sorted by name.

    Raises MeshError, naming the file and what is wrong, for one that is missing, no OBJ, too large, or refers
    to vertices, materials or maps that are not there.
    """
    try:
        import trimesh
    except ImportError:
        raise MeshError(
            "meshes of files need trimesh: pip install 'selcon_ros[media]', or leave the media folder out"
        ) from None
    path = Path(path)
    content = read_bytes(path, MeshError, limit=MAX_MODEL_BYTES)
    _check(content, path)
    resolver: Any = _Resolver(path)
    materials = _materials(content, path, resolver)
    try:
        scene = trimesh.load_scene(
            io.BytesIO(content),
            file_type="obj",
            resolver=resolver,
            process=False,
            group_material=True,
            split_objects=True,
            split_groups=True,
        )
        geometries = dict(scene.geometry)
    except Exception as error:  # trimesh raises whatever the malformed text brings about
        raise MeshError(f"{path} is no OBJ file that can be read: {first_line(error)}") from None
    textures: dict[str, NDArray[np.uint8]] = {}
    pieces = []
    for name, geometry in sorted(geometries.items()):
        found = _piece(name, geometry, materials, resolver, textures, path)
        if found is not None:
            pieces.append(found)
    if not pieces:
        raise MeshError(f"{path} has no faces")
    return pieces


def _check(content: bytes, path: Path) -> None:
    """Raise MeshError where an OBJ file has too much, or its faces refer to what it lacks."""
    count = {key: len(re.findall(rb"^%s\s" % key.encode(), content, re.M)) for key in ("v", "vt", "vn", "f")}
    for key, number in count.items():
        if number > MAX_COUNT:
            raise MeshError(f"{path} has {number} lines of {key}; at most {MAX_COUNT} are read")
    if not count["v"] or not count["f"]:
        raise MeshError(f"{path} is no OBJ file with vertices and faces")
    for line in re.findall(rb"^v\s+(.*)$", content, re.M):
        try:
            values = [float(value) for value in line.split()]
        except ValueError:
            values = []
        if len(values) < 3 or not np.isfinite(values).all():
            raise MeshError(f"{path}: a vertex reads {_shown(line)}, not three numbers")
    for line in re.findall(rb"^f\s+(.*)$", content, re.M):
        corners = line.split()
        if len(corners) < 2:  # exporters write loose edges as faces of two corners: trimesh drops them
            raise MeshError(f"{path}: a face reads {_shown(line)}, not three corners or more")
        for corner in corners:
            for key, index in zip(("v", "vt", "vn"), corner.split(b"/"), strict=False):
                if index and not _is_index(index, count[key]):
                    raise MeshError(f"{path}: a face refers to {key} {_shown(index)} of {count[key]}")


def _is_index(index: bytes, count: int) -> bool:
    """Return whether an index counts from 1, or backwards from -1, within `count` lines."""
    return bool(re.fullmatch(rb"-?\d{1,7}", index)) and 1 <= abs(int(index)) <= count


def _shown(text: bytes) -> str:
    return quoted(text.strip().decode("utf-8", "replace"), 60)


def _materials(content: bytes, path: Path, resolver: _Resolver) -> dict[str, dict[str, Any]]:
    """Return the materials of a model's MTL file by name, as trimesh reads them; raises MeshError."""
    from trimesh.exchange import obj

    named = re.search(rb"^mtllib[ \t]+(.*)$", content, re.M)
    if named is None:
        return {}
    text = resolver.get(named[1].decode("utf-8", "replace"))
    wanted = [
        name.decode("utf-8", "replace").strip()
        for name in re.findall(rb"^\s*map_Kd\s+(.*)$", text, re.M | re.I)
    ]
    for name in wanted:
        resolver.get(name)  # a map that is missing is named here: trimesh would leave it out
    try:
        parse: Any = obj.parse_mtl
        found = dict(parse(text, resolver=resolver))
    except Exception as error:
        raise MeshError(f"the materials of {path} cannot be read: {first_line(error)}") from None
    opened = {about["image"].info["file_path"] for about in found.values() if "image" in about}
    for name in sorted(set(wanted) - opened):  # trimesh leaves out what Pillow does not know
        raise MeshError(f"{path.parent / name} is no picture: {path} needs it as a map")
    return found


def _piece(
    name: str,
    geometry: Any,
    materials: dict[str, dict[str, Any]],
    resolver: _Resolver,
    textures: dict[str, NDArray[np.uint8]],
    path: Path,
) -> Piece | None:
    """Return a geometry of trimesh as a piece, its map decoded (once a file), or None if it has no faces."""
    faces = np.asarray(getattr(geometry, "faces", ()), dtype=np.int32)
    if not len(faces):
        return None
    visual = geometry.visual
    material = getattr(getattr(visual, "material", None), "name", None) or ""
    about = materials.get(material, {})
    uv = getattr(visual, "uv", None)
    texture = None
    image = about.get("image")
    if image is not None and uv is not None:
        file = image.info["file_path"]
        if file not in textures:
            textures[file] = _texture(resolver.maps[file], path.parent / file)
        texture = textures[file]
    colour = np.clip(np.ravel(about.get("kd", (0.7, 0.7, 0.7))), 0, 1).astype(float)
    red, green, blue = colour if len(colour) == 3 else (0.7, 0.7, 0.7)
    mesh = Mesh(
        np.asarray(geometry.vertices, dtype=np.float64),
        faces,
        None if texture is None else np.asarray(uv, dtype=np.float32),
    )
    return Piece(name, material, mesh, (red, green, blue), texture)


def _texture(content: bytes, name: Path) -> NDArray[np.uint8]:
    image = decode(content, name, cv2.IMREAD_COLOR, MeshError)[..., ::-1]
    factor = MAX_MAP_SIDE / max(image.shape[:2])
    if factor < 1:
        image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(image, dtype=np.uint8)
