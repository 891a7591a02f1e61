"""Render a scene with MuJoCo: colour, exact depth and, per pixel, which placed part is seen."""

from __future__ import annotations

import atexit
import os
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.camera import Intrinsics
from selcon_ros.core.errors import SelconError
from selcon_training.tabletop.parts import Rng
from selcon_training.tabletop.scene import Scene
from selcon_training.tabletop.surfaces import Surface, Texture, backdrop, surface, table_texture

if os.environ.get("MUJOCO_GL") is None and not os.environ.get("DISPLAY"):
    os.environ["MUJOCO_GL"] = "osmesa"

import mujoco


class RenderError(SelconError):
    """The machine cannot render off screen."""


@dataclass(frozen=True)
class Rendered:
    """One view: `image` H×W×3 uint8 RGB, `depth` H×W float32 metres along the optical axis, `placed` H×W
    int16 index into
    the scene's parts (−1 for table and background), and the camera's intrinsics."""

    image: NDArray[np.uint8]
    depth: NDArray[np.float32]
    placed: NDArray[np.int16]
    intrinsics: Intrinsics


def _quaternion(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, matrix.flatten())
    return quaternion


def _add_material(spec: mujoco.MjSpec, name: str, look: Surface, texture: Texture | None = None) -> str:
    material = spec.add_material(
        name=name, rgba=[*look.colour, 1], specular=look.specular, shininess=look.shininess
    )
    if texture is not None:
        height, width = texture.shape[:2]
        added = spec.add_texture(
            name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, width=width, height=height, nchannel=3
        )
        added.data = texture.tobytes()
        textures = material.textures
        textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
        material.textures = textures
        material.texrepeat = [1, 1]
    return name


def _compile(scene: Scene, rng: Rng, width: int, height: int) -> mujoco.MjModel:
    spec = mujoco.MjSpec()
    spec.visual.global_.offwidth, spec.visual.global_.offheight = width, height
    spec.visual.quality.shadowsize = 1024
    spec.visual.quality.offsamples = 4
    spec.visual.map.znear, spec.visual.map.zfar = 0.02, 8.0
    spec.stat.extent, spec.stat.center = 1.0, [0, 0, 0]
    ambient = rng.uniform(0.22, 0.45)
    spec.visual.headlight.ambient, spec.visual.headlight.diffuse = [ambient] * 3, [rng.uniform(0, 0.25)] * 3
    spec.visual.headlight.specular = [0, 0, 0]
    world = spec.worldbody
    table = _add_material(spec, "table", Surface((1, 1, 1), rng.uniform(0, 0.3), 0.3), table_texture(rng))
    far = _add_material(spec, "far", Surface((1, 1, 1), 0, 0), backdrop(rng))
    half = rng.uniform(0.4, 0.9, 2)
    world.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX, size=[half[0], half[1], 0.02], pos=[0, 0, -0.02], material=table
    )
    world.add_geom(
        type=mujoco.mjtGeom.mjGEOM_PLANE, size=[4, 4, 0.1], pos=[0, 0, -rng.uniform(0.3, 0.8)], material=far
    )
    shared = (
        surface(rng, "plastic") if rng.random() < 0.12 else None
    )  # now and then colour says nothing about the part
    looks: dict[tuple[int, str, int], str] = {}
    for index, placed in enumerate(scene.parts):
        part = placed.part
        picture = part.texture if part.mesh.uv is not None else None
        key = (placed.owner if placed.owner >= 0 else -index - 1, part.look, id(picture))
        if key not in looks:
            drawn = shared if shared is not None and placed.owner >= 0 else surface(rng, part.look)
            if picture is not None:
                drawn = replace(drawn, colour=(1, 1, 1))
            looks[key] = _add_material(spec, f"look{index}", drawn, picture)
        mesh = spec.add_mesh(name=f"part{index}", inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL)
        mesh.uservert = part.mesh.vertices.ravel().tolist()
        mesh.userface = part.mesh.faces.ravel().tolist()
        if part.mesh.uv is not None:
            mesh.usertexcoord = (part.mesh.uv * [1, -1] + [0, 1]).ravel().tolist()  # MuJoCo's v goes down
            mesh.userfacetexcoord = mesh.userface
        world.add_geom(
            name=f"part{index}",
            type=mujoco.mjtGeom.mjGEOM_MESH,
            meshname=f"part{index}",
            material=looks[key],
            contype=0,
            conaffinity=0,
        )
    for number in range(int(rng.integers(1, 3))):
        angle, lift = rng.uniform(0, 2 * np.pi), rng.uniform(0.7, 1.6)
        place = np.array([np.cos(angle) * rng.uniform(0.2, 1), np.sin(angle) * rng.uniform(0.2, 1), lift])
        warm = rng.uniform(0.85, 1, 3) * rng.uniform(0.35, 0.8)
        world.add_light(
            pos=place,
            dir=-place / np.linalg.norm(place),
            type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
            castshadow=number == 0,
            diffuse=warm,
            specular=0.3 * warm,
            ambient=[0, 0, 0],
        )
    for number, view in enumerate(scene.views):
        world.add_camera(
            name=f"view{number}", pos=view.position, quat=_quaternion(view.rotation), fovy=view.fovy
        )
    return spec.compile()


class Renderer:
    """An off-screen renderer of one image size; keeps one GL context per process."""

    def __init__(self, width: int, height: int) -> None:
        """Open the context; raises RenderError with what to install where there is none."""
        self.width, self.height = width, height
        try:
            self._context = mujoco.GLContext(width, height)
            self._context.make_current()
        except Exception as error:  # each GL binding raises its own kind
            raise RenderError(
                f"no off-screen rendering with MUJOCO_GL={os.environ.get('MUJOCO_GL', '')}: {error}. "
                "Install libosmesa6 and set MUJOCO_GL=osmesa, or MUJOCO_GL=egl where there is a GPU driver."
            ) from error
        atexit.register(self.close)  # at interpreter exit the GL binding can no longer free it by itself

    def close(self) -> None:
        """Free the GL context."""
        atexit.unregister(self.close)
        self._context.free()

    def render(self, scene: Scene, rng: Rng, steady: bool = False) -> list[Rendered]:
        """Render every view of `scene`; surfaces, lights and the sensor are drawn from `rng` (`steady`: one
        exposure for all)."""
        self._context.make_current()
        model = _compile(scene, rng, self.width, self.height)
        data = mujoco.MjData(model)
        mujoco.mj_forward(model, data)
        first = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_GEOM, "part0") if scene.parts else model.ngeom
        drawn = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_50)
        try:
            mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, drawn)
            drawn.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
            views = [
                self._view(model, data, drawn, number, first, view.fovy)
                for number, view in enumerate(scene.views)
            ]
        finally:
            drawn.free()
        gain = _gain(rng)
        return [
            replace(view, image=_sensor(view.image, gain if steady else _gain(rng), rng)) for view in views
        ]

    def _view(
        self,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        drawn: mujoco.MjrContext,
        number: int,
        first: int,
        fovy: float,
    ) -> Rendered:
        area = mujoco.MjrRect(0, 0, self.width, self.height)
        visual = mujoco.MjvScene(model, maxgeom=model.ngeom + 50)
        camera = mujoco.MjvCamera()
        camera.type, camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, number
        mujoco.mjv_updateScene(
            model, data, mujoco.MjvOption(), mujoco.MjvPerturb(), camera, mujoco.mjtCatBit.mjCAT_ALL, visual
        )
        visual.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
        image = np.empty((self.height, self.width, 3), np.uint8)
        raw = np.empty((self.height, self.width), np.float32)
        mujoco.mjr_render(area, visual, drawn)
        mujoco.mjr_readPixels(image, raw, area, drawn)
        near, far = model.vis.map.znear, model.vis.map.zfar
        depth = (near * far / (near + raw[::-1].astype(np.float64) * (far - near))).astype(np.float32)

        visual.flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = 1
        visual.flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = 1
        visual.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
        colours = np.empty_like(image)
        mujoco.mjr_render(area, visual, drawn)
        mujoco.mjr_readPixels(colours, None, area, drawn)
        segment = colours[::-1].astype(np.int32) @ np.array([1, 256, 65536])
        geoms = np.full(visual.ngeom + 1, -1, np.int32)
        for geom in visual.geoms[: visual.ngeom]:
            if geom.objtype == mujoco.mjtObj.mjOBJ_GEOM and 0 <= geom.segid < visual.ngeom:
                geoms[geom.segid + 1] = geom.objid
        placed = np.maximum(geoms[segment] - first, -1).astype(np.int16)
        focal = 0.5 * self.height / np.tan(np.deg2rad(fovy) / 2)
        intrinsics = Intrinsics(
            focal, focal, (self.width - 1) / 2, (self.height - 1) / 2, self.width, self.height
        )
        return Rendered(image[::-1], depth, placed, intrinsics)


def _gain(rng: Rng) -> NDArray[np.float64]:
    """Return an exposure with its white balance, one factor a channel."""
    return np.asarray(rng.uniform(0.8, 1.3) * rng.uniform(0.93, 1.07, 3))


def _sensor(image: NDArray[np.uint8], gain: NDArray[np.float64], rng: Rng) -> NDArray[np.uint8]:
    """Return the image as a camera gives it, with noise."""
    noisy = image * gain.astype(np.float32) + rng.uniform(0.5, 5) * rng.standard_normal(
        image.shape, np.float32
    )
    return np.clip(noisy, 0, 255).astype(np.uint8)
