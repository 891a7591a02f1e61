"""Render a scene with MuJoCo: colour, exact depth and, per pixel, which placed part is seen."""

from __future__ import annotations

import atexit
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.errors import SelconError
from selcon_tabletop.lighting import draw_gain, expose, smoothed
from selcon_tabletop.model import FAR, NEAR, Stage, build_stage, dress, mujoco
from selcon_tabletop.parts import Rng
from selcon_tabletop.scene import Scene
from selcon_tabletop.surfaces import ScenePictures

NO_PICTURES = ScenePictures()


class RenderError(SelconError):
    """The machine cannot render off screen."""


@dataclass(frozen=True)
class Rendered:
    """One view: `image` H×W×3 uint8 RGB, `depth` H×W float32 metres along the optical axis (0×0 if it was not
    asked for), `placed` H×W int16 index into the scene's parts (−1 for table and background), and the
    camera's intrinsics."""

    image: NDArray[np.uint8]
    depth: NDArray[np.float32]
    placed: NDArray[np.int16]
    intrinsics: Intrinsics


class Renderer:
    """An off-screen renderer of one image size; keeps one GL context per process."""

    def __init__(self, width: int, height: int) -> None:
        """Open the context; raises RenderError with what to install where there is none."""
        self.width, self.height = width, height
        self._area = mujoco.MjrRect(0, 0, width, height)
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

    def render(
        self,
        scene: Scene,
        rng: Rng,
        steady: bool = False,
        pictures: ScenePictures = NO_PICTURES,
        depth: bool = True,
    ) -> list[Rendered]:
        """Render every view of `scene`; surfaces, lights and the sensor are drawn from `rng` anew for each
        (`steady`: once for all). `pictures` may be laid on things."""
        self._context.make_current()
        stage = build_stage(scene, rng, self.width, self.height, pictures)
        drawn = mujoco.MjrContext(stage.model, mujoco.mjtFontScale.mjFONTSCALE_50)
        visual = mujoco.MjvScene(stage.model, maxgeom=stage.model.ngeom + 50)
        views: list[Rendered] = []
        try:
            mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, drawn)
            drawn.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
            for number, view in enumerate(scene.views):
                anew = number == 0 or not steady
                if anew:
                    dress(stage, drawn, rng)
                seen = self._view(stage, drawn, visual, number, view.fovy, depth)
                if anew:
                    gain = draw_gain(seen.image, rng, stage.room.white)
                views.append(
                    Rendered(expose(seen.image, gain, rng), seen.depth, seen.placed, seen.intrinsics)
                )
        finally:
            drawn.free()
        return views

    def _parts_of(self, visual: mujoco.MjvScene, stage: Stage) -> NDArray[np.int16]:
        """Return which part each colour of a picture of ids stands for; the same in every view of a scene."""
        if stage.parts_of is None or len(stage.parts_of) != visual.ngeom + 1:
            stage.parts_of = np.full(visual.ngeom + 1, -1, np.int16)
            for geom in visual.geoms[: visual.ngeom]:
                if geom.objtype == mujoco.mjtObj.mjOBJ_GEOM and 0 <= geom.segid < visual.ngeom:
                    stage.parts_of[geom.segid + 1] = max(geom.objid - stage.first, -1)
        return stage.parts_of

    def _view(
        self,
        stage: Stage,
        drawn: mujoco.MjrContext,
        visual: mujoco.MjvScene,
        number: int,
        fovy: float,
        depth: bool,
    ) -> Rendered:
        camera = mujoco.MjvCamera()
        camera.type, camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, number
        mujoco.mjv_updateScene(
            stage.model,
            stage.data,
            mujoco.MjvOption(),
            mujoco.MjvPerturb(),
            camera,
            mujoco.mjtCatBit.mjCAT_ALL,
            visual,
        )
        for flag, on in ((mujoco.mjtRndFlag.mjRND_REFLECTION, 0), (mujoco.mjtRndFlag.mjRND_SHADOW, 1)):
            visual.flags[flag] = on
        image = np.empty((self.height, self.width, 3), np.uint8)
        mujoco.mjr_render(self._area, visual, drawn)
        mujoco.mjr_readPixels(image, None, self._area, drawn)

        # Depth is read with the ids: there glass is opaque too.
        ids = (mujoco.mjtRndFlag.mjRND_SEGMENT, mujoco.mjtRndFlag.mjRND_IDCOLOR)
        for flag in ids:
            visual.flags[flag] = 1
        visual.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
        colours, raw = (
            np.empty_like(image),
            np.empty((self.height, self.width) if depth else (0, 0), np.float32),
        )
        mujoco.mjr_render(self._area, visual, drawn)
        mujoco.mjr_readPixels(colours, raw if depth else None, self._area, drawn)
        for flag in ids:
            visual.flags[flag] = 0
        metres = (NEAR * FAR / (NEAR + raw[::-1] * np.float32(FAR - NEAR))).astype(np.float32)
        segment: NDArray[np.integer[Any]] = colours[::-1, :, 0]
        if visual.ngeom > 254:
            segment = segment + 256 * colours[::-1, :, 1].astype(np.int32)
        placed = self._parts_of(visual, stage)[segment]
        focal = 0.5 * self.height / np.tan(np.deg2rad(fovy) / 2)
        intrinsics = Intrinsics(
            focal, focal, (self.width - 1) / 2, (self.height - 1) / 2, self.width, self.height
        )
        border = np.ascontiguousarray(segment if visual.ngeom <= 254 else segment % 251, np.uint8)
        soft = smoothed(np.ascontiguousarray(image[::-1]), border)
        return Rendered(soft, metres, placed, intrinsics)
