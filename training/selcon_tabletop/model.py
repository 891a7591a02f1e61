"""Make a scene into a MuJoCo model, and dress that model anew for each view: light, colours and textures
change while the geometry stays compiled."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from selcon_tabletop.lighting import MAX_LAMPS, draw_light
from selcon_tabletop.parts import Part, Rng
from selcon_tabletop.room import Room
from selcon_tabletop.scene import Scene
from selcon_tabletop.shapes import Mesh
from selcon_tabletop.surfaces import (
    Material,
    ScenePictures,
    Texture,
    backdrop,
    cutting,
    plain_texture,
    surface,
    surroundings,
    table_texture,
)

if os.environ.get("MUJOCO_GL") is None and not os.environ.get("DISPLAY"):
    os.environ["MUJOCO_GL"] = "osmesa"

try:
    import mujoco as mujoco  # after MUJOCO_GL is set: others take it from here
except AttributeError:  # what PyOpenGL makes of a missing library: who renders is told (RenderError)
    _wanted = os.environ.get("MUJOCO_GL", "")
    os.environ["MUJOCO_GL"] = "off"
    import mujoco as mujoco

    os.environ["MUJOCO_GL"] = _wanted

TEXTURE_SIDES, PICTURED_TEXTURE_SIDES = (128, 128, 64), (256, 128, 128)
"""Pixels of the textures of table and parts, of the floor's, and of a face of the surroundings: drawn ones
are smooth, cuttings of pictures are not."""
NEAR, FAR = 0.02, 8.0
PICTURED_SHARE = 0.2
"""Share of the looks that get a cutting of a picture instead of one colour, where there are pictures."""
ONE_COLOUR_SHARE = 0.06
"""Share of the scenes in which all objects share a colour, so that colour alone says nothing of the part."""


@dataclass
class Stage:
    """A compiled scene and what of it can be dressed: the materials by name with what they look like."""

    model: mujoco.MjModel
    data: mujoco.MjData
    room: Room
    first: int
    looks: dict[str, str] = field(default_factory=dict)
    owned: set[str] = field(default_factory=set)
    pictured: set[str] = field(default_factory=set)
    printed: set[str] = field(default_factory=set)
    pictures: ScenePictures = field(default_factory=ScenePictures)
    dressed: bool = False
    parts_of: NDArray[np.int16] | None = None

    def texture(self, name: str) -> NDArray[np.uint8]:
        """Return the pixels of a texture, to be changed in place (rows×columns×3)."""
        number = self.model.texture(name).id
        start = int(self.model.tex_adr[number])
        shape = (int(self.model.tex_height[number]), int(self.model.tex_width[number]), 3)
        pixels: NDArray[np.uint8] = self.model.tex_data[start : start + int(np.prod(shape))].reshape(shape)
        return pixels


def _material(
    spec: mujoco.MjSpec, name: str, size: tuple[int, int] = (0, 0), pixels: Texture | None = None
) -> str:
    """Add a material, with a texture of its name of `size` (rows, columns) if that is not 0."""
    material = spec.add_material(name=name, rgba=[1, 1, 1, 1])
    if size[0]:
        added = spec.add_texture(
            name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, width=size[1], height=size[0], nchannel=3
        )
        added.data = bytes(3 * size[0] * size[1]) if pixels is None else pixels.tobytes()
        textures = material.textures
        textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
        material.textures = textures
    return name


def _flat_coordinates(mesh: Mesh, tile: float) -> Mesh:
    """Return the mesh with texture coordinates along its two longest extents, `tile` metres a picture."""
    longest = np.sort(np.argsort(-np.ptp(mesh.vertices, axis=0), kind="stable")[:2])
    return replace(mesh, uv=(mesh.vertices[:, longest] / tile).astype(np.float32))


def _add_mesh(spec: mujoco.MjSpec, name: str, mesh: Mesh, material: str) -> None:
    added = spec.add_mesh(name=name, inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL)
    added.uservert = mesh.vertices.ravel().tolist()
    added.userface = mesh.faces.ravel().tolist()
    if mesh.uv is not None:
        added.usertexcoord = (mesh.uv * [1, -1] + [0, 1]).ravel().tolist()  # MuJoCo's v goes down
        added.userfacetexcoord = added.userface
    spec.worldbody.add_geom(
        name=name,
        type=mujoco.mjtGeom.mjGEOM_MESH,
        meshname=name,
        material=material,
        contype=0,
        conaffinity=0,
    )


def _add_room(spec: mujoco.MjSpec, room: Room, sides: tuple[int, int, int]) -> None:
    side, floor_side, sky_side = sides
    sky = spec.add_texture(
        name="sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, width=sky_side, height=6 * sky_side, nchannel=3
    )
    sky.data = bytes(18 * sky_side**2)
    flat = {"contype": 0, "conaffinity": 0}
    spec.worldbody.add_geom(
        name="table",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[*room.half, 0.02],
        pos=[0, 0, -0.02],
        material=_material(spec, "table", (side, side)),
        **flat,
    )
    spec.worldbody.add_geom(
        name="floor",
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=[4, 4, 0.1],
        pos=[0, 0, -room.drop],
        material=_material(spec, "floor", (floor_side, floor_side)),
        **flat,
    )


def quaternion(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the quaternion (w, x, y, z) of a rotation matrix [3, 3]."""
    found = np.zeros(4)
    mujoco.mju_mat2Quat(found, rotation.flatten())
    return found


def _new_spec(width: int, height: int) -> mujoco.MjSpec:
    spec = mujoco.MjSpec()
    spec.visual.global_.offwidth, spec.visual.global_.offheight = width, height
    spec.visual.quality.shadowsize = 512 if width < 640 else 1024
    spec.visual.quality.offsamples = 0
    spec.visual.map.znear, spec.visual.map.zfar = NEAR, FAR
    spec.stat.extent, spec.stat.center = 1.0, [0, 0, 0]
    spec.visual.headlight.specular = [0, 0, 0]
    for number in range(MAX_LAMPS):
        spec.worldbody.add_light(name=f"lamp{number}", type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL)
    return spec


def build_stage(scene: Scene, rng: Rng, width: int, height: int, pictures: ScenePictures) -> Stage:
    """Compile a scene for images of `width` × `height`; `pictures` may be laid on the table, around the scene
    and on parts."""
    spec = _new_spec(width, height)
    room = scene.room or Room((rng.uniform(0.4, 0.9), rng.uniform(0.4, 0.9)), rng.uniform(0.3, 0.8))
    _add_room(spec, room, PICTURED_TEXTURE_SIDES if pictures.textures else TEXTURE_SIDES)
    looks: dict[tuple[int, str, int], str] = {}
    stage = Stage(None, None, room, 0, pictures=pictures)
    for index, placed in enumerate(scene.parts):
        part = placed.part
        printed = part.texture if part.mesh.uv is not None else None
        key = (placed.owner if placed.owner >= 0 else -index - 1, part.look, id(printed))
        if key not in looks:
            looks[key] = _add_look(spec, stage, f"look{index}", placed.owner, part, printed, rng)
        mesh = part.mesh
        if looks[key] in stage.pictured:
            mesh = _flat_coordinates(mesh, 0.1 + 0.25 * rng.random())
        _add_mesh(spec, f"part{index}", mesh, looks[key])
    for number, view in enumerate(scene.views):
        spec.worldbody.add_camera(
            name=f"view{number}", pos=view.position, quat=quaternion(view.rotation), fovy=view.fovy
        )
    stage.model = spec.compile()
    stage.data = mujoco.MjData(stage.model)
    mujoco.mj_kinematics(stage.model, stage.data)
    stage.first = stage.model.geom("part0").id if scene.parts else stage.model.ngeom
    return stage


def _add_look(
    spec: mujoco.MjSpec, stage: Stage, name: str, owner: int, part: Part, printed: Texture | None, rng: Rng
) -> str:
    stage.looks[name] = part.look
    if owner >= 0:
        stage.owned.add(name)
    if printed is not None:
        stage.printed.add(name)
        return _material(spec, name, printed.shape[:2], printed)
    if stage.pictures.textures and rng.random() < PICTURED_SHARE:
        stage.pictured.add(name)
        return _material(spec, name, PICTURED_TEXTURE_SIDES[:1] * 2)
    return _material(spec, name)


def dress(stage: Stage, drawn: mujoco.MjrContext, rng: Rng) -> None:
    """Draw light, colours and textures anew and bring them into the GL context."""
    model = stage.model
    changed = _dress_room(stage, rng)
    shared = surface(rng, "plastic") if rng.random() < ONE_COLOUR_SHARE else None
    for name, look in stage.looks.items():
        new = shared if shared is not None and name in stage.owned else surface(rng, look)
        if name in stage.printed or name in stage.pictured:
            new = Material((1, 1, 1), new.specular, new.shininess)
        if name in stage.pictured:
            stage.texture(name)[:] = cutting(
                rng, _one_of(rng, stage.pictures.textures), PICTURED_TEXTURE_SIDES[0]
            )
            changed.append(name)
        _paint(model, name, new)
    light = draw_light(rng, stage.room.white)
    model.vis.headlight.ambient[:], model.vis.headlight.diffuse[:] = light.ambient, light.head
    model.light_active[:] = 0
    for number, lamp in enumerate(light.lamps):
        model.light_pos[number] = lamp.position
        model.light_dir[number] = -lamp.position / np.linalg.norm(lamp.position)
        model.light_diffuse[number], model.light_specular[number] = lamp.colour, 0.3 * lamp.colour
        model.light_castshadow[number], model.light_active[number] = lamp.shadow, 1
    mujoco.mj_camlight(model, stage.data)
    for name in changed:
        mujoco.mjr_uploadTexture(model, drawn, model.texture(name).id)


def _one_of(rng: Rng, pictures: Sequence[Texture]) -> Texture:
    return pictures[int(rng.integers(len(pictures)))]


def _paint(model: mujoco.MjModel, name: str, new: Material) -> None:
    number = model.material(name).id
    model.mat_rgba[number] = [*new.colour, new.alpha]
    model.mat_specular[number], model.mat_shininess[number] = new.specular, new.shininess


def _dress_room(stage: Stage, rng: Rng) -> list[str]:
    """Draw the table anew, and now and then floor and surroundings (the first time: all). Return the names of
    the textures that were changed."""
    table, floor, sky = (stage.texture(name) for name in ("table", "floor", "sky"))
    first = not stage.dressed
    stage.dressed = True
    if stage.room.white:
        if not first:
            return []
        for texture in (table, floor, sky):
            texture[:] = int(rng.integers(235, 256))
        return ["table", "floor", "sky"]
    changed = ["table"]
    pictured = bool(stage.pictures.textures) and rng.random() < 0.5
    textures = stage.pictures.textures
    table[:] = (
        cutting(rng, _one_of(rng, textures), len(table)) if pictured else table_texture(rng, len(table))
    )
    if first or rng.random() < 0.5:
        plain = rng.random() < 0.4
        floor[:] = plain_texture(rng, len(floor)) if plain else backdrop(rng, len(floor))
        changed.append("floor")
    if first or rng.random() < 0.25:
        sky[:] = surroundings(rng, sky.shape[1], stage.pictures.backdrops)
        changed.append("sky")
    _paint(stage.model, "table", Material((1, 1, 1), rng.uniform(0, 0.3), 0.3))
    _paint(stage.model, "floor", Material((1, 1, 1), 0, 0))
    repeats = rng.uniform(1, 4)
    stage.model.mat_texrepeat[stage.model.material("table").id] = [repeats, repeats]
    stage.model.mat_texrepeat[stage.model.material("floor").id] = [2 * repeats, 2 * repeats]
    return changed
