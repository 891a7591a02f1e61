"""What `selcon ground` does with one picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from selcon_ros.backends.options import CpuOptions
from selcon_ros.core.cameras.picture_depth import Geometry, read_geometry
from selcon_ros.core.errors import UnknownActionError
from selcon_ros.core.grasps.grasp import GraspParameters, find_grasps
from selcon_ros.core.grasps.grasp_result import GraspResult, Refusal
from selcon_ros.core.grounding.actions import match_action
from selcon_ros.core.grounding.bundle import OPEN_ROLES, load_bundle
from selcon_ros.core.grounding.heatmap import Heatmap
from selcon_ros.core.pictures.orientation import as_stored, upright
from selcon_ros.core.pictures.picture_files import read_stored
from selcon_ros.core.pictures.pixel_limit import PixelLimit
from selcon_ros.core.reason import Reason
from selcon_ros.model import Model, load

NEARLY_BLACK_LEVEL = 16
"""Of 255: 12 bits in a file of 16 stay below."""
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class PictureAnswer:
    """What was found in a picture: the picture [H, W, 3] that the pixels of all others are of, RGB.

    turned: pixels are of the picture as stored, which was grounded upright.
    """

    picture: Pixels
    orientation: int
    turned: bool
    heatmap: Heatmap
    grasps: GraspResult
    has_depth: bool

    def record(self, image: Path, openly: bool) -> dict[str, Any]:
        """Return it as JSON has it.

        `openly` says that the action was asked by open vocabulary, without a confidence.
        """
        return {
            "image": str(image),
            "exif_orientation": self.orientation,
            "raster": "stored" if self.turned or self.orientation == 1 else "upright",
            "action": self.heatmap.action,
            "open_vocabulary": openly,
            "confidence": None if openly else self.heatmap.confidence,
            "grasps": [grasp.record() for grasp in self.grasps.points],
            "refused": [refusal.text for refusal in self.grasps.refused],
            "reasons": [refusal.reason for refusal in self.grasps.refused],
        }


class Asker:
    """A bundle and an action: the model is opened once, for the first picture.

    openly: the action is none of the model's list, and is asked by its text encoder.
    """

    def __init__(self, bundle: Path, action: str, backend: str, precision: str, threads: int | None) -> None:
        """Read the manifest. Raises UnknownActionError if nothing in the bundle answers for the action."""
        self._path, self._action = bundle, action
        self._backend, self._precision, self._threads = backend, precision, threads
        found = load_bundle(bundle, roles=())
        self.manifest = found.manifest
        self.openly = False
        self._model: Model | None = None
        self._open: Any = None
        try:
            match_action(action, self.manifest.actions)
        except UnknownActionError as error:
            if not all(role in self.manifest.files for role in OPEN_ROLES):
                raise UnknownActionError(
                    f"{error}. Other actions: a bundle made with selcon export --open"
                ) from None
            self.openly = True
            click.echo(f"{error}; asking by open vocabulary", err=True)

    def __enter__(self) -> Asker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._model is not None:
            self._model.close()

    @property
    def engine(self) -> dict[str, str | None]:
        """The engine that has answered and how it was chosen, as JSON has it; None before, and by open
        vocabulary."""
        model = self._model
        name, why = (None, None) if model is None else (model.backend.name, model.why)
        return {"engine": name, "engine_choice": why}

    def ask(self, picture: Pixels) -> Heatmap:
        """Return the heatmap of an upright RGB picture [H, W, 3]."""
        return self._ask_openly(picture) if self.openly else self._ask(picture)

    def _ask(self, picture: Pixels) -> Heatmap:
        if self._model is None:
            options = CpuOptions(self._threads)
            self._model = load(self._path, self._backend, self._precision, options)
            for failure in self._model.failures:
                click.echo(f"passed over {failure}", err=True)
        return self._model.ground(picture).heatmap(self._action)

    def _ask_openly(self, picture: Pixels) -> Heatmap:
        if self._open is None:
            from selcon_ros.plugins import plugins

            plugin = plugins("selcon.grounders").get("open_vocabulary")
            if plugin is None:
                raise ImportError("no open vocabulary here", name="selcon_training")
            files = load_bundle(self._path, roles=OPEN_ROLES)
            self._open = plugin.load()(files, self._action, self._threads)
        # Nothing was fitted for this action: no confidence, and so no grasp point unless none is asked for.
        heatmap: Heatmap = self._open.ground(picture).heatmap(self._open.actions[0])
        return replace(heatmap, confidence=0.0)


def ground_picture(
    asker: Asker, image: Path, geometry: Geometry | None, limit: PixelLimit, parameters: GraspParameters
) -> PictureAnswer:
    """Ground a picture. What a user should know of it is told on stderr; raises SelconError."""
    stored, orientation = read_stored(image, limit)
    picture = upright(stored, orientation)
    if (brightest := int(picture.max())) < NEARLY_BLACK_LEVEL:
        click.echo(
            f"warning: {image} is nearly black, its brightest value is {brightest} of 255: if it holds 10 or "
            "12 bits in 16, scale them first",
            err=True,
        )
    metres, intrinsics = None, None
    if geometry is not None:
        metres, intrinsics = read_geometry(geometry, stored, orientation, limit)
    heatmap = asker.ask(picture)
    turned = orientation != 1 and geometry is not None
    if turned:
        picture = stored
        heatmap = replace(heatmap, values=as_stored(heatmap.values, orientation))
        click.echo(
            f"{image} has EXIF orientation {orientation}: it was grounded upright; pixels, poses and overlay "
            "are of the picture as stored",
            err=True,
        )
    grasps = find_grasps(heatmap, metres, intrinsics, parameters)
    if asker.openly and parameters.min_confidence > 0:
        refusal = Refusal(Reason.UNCALIBRATED, "no confidence is calibrated for this action")
        grasps = GraspResult(refused=(refusal,))
    return PictureAnswer(picture, orientation, turned, heatmap, grasps, metres is not None)
