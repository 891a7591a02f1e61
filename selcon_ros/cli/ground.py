"""`selcon ground`: one action in one image file."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from selcon_ros.backends.base import BACKENDS
from selcon_ros.cli.options import json_option, threads_option
from selcon_ros.cli.paths import OUT_FILE, UserPath
from selcon_ros.core.bundle import PRECISIONS
from selcon_ros.core.pixel_limit import MAX_PIXELS, PixelLimit
from selcon_ros.core.text import one_line
from selcon_ros.model import AUTO

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from selcon_ros.core.bundle import Bundle
    from selcon_ros.core.camera import Intrinsics
    from selcon_ros.core.grasp_result import GraspResult
    from selcon_ros.core.heatmap import Heatmap

NEARLY_BLACK = 16
"""Of 255: 12 bits in a file of 16 stay below."""


@click.command(short_help="Ground an action in one image.")
@click.argument("image", type=UserPath(dir_okay=False))
@click.option("--action", required=True, help='What to do, for example "cut with"; spaces and case are free.')
@click.option("--bundle", type=UserPath(), help="Bundle, folder or .zip [the packaged one].")
@click.option("--depth", type=UserPath(), help="Depth registered to IMAGE, PNG, TIFF, .npy.")
@click.option("--camera", type=UserPath(), help="Calibration of the camera, JSON or YAML.")
@click.option("--rectified", is_flag=True, help="IMAGE is rectified: use the projection matrix of --camera.")
@click.option("--out", type=OUT_FILE, help="Overlay picture to write.")
@click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="No grasp points below this confidence.",
)
@click.option(
    "--max-width",
    type=click.FloatRange(0.001),
    default=0.10,
    show_default=True,
    help="The gripper's opening in metres.",
)
@click.option(
    "--max-pixels",
    type=click.IntRange(1),
    default=MAX_PIXELS,
    show_default=True,
    help="A larger IMAGE or depth is refused before it is decoded.",
)
@click.option(
    "--backend",
    type=click.Choice((AUTO, *BACKENDS)),
    default=AUTO,
    show_default=True,
    help="Inference engine; auto: the first of those in docs/engines.md that runs here.",
)
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="auto",
    show_default=True,
    help="Of the model; auto: fp16 on a GPU, on a CPU the faster of fp32 and the bundle's int8.",
)
@threads_option
@json_option
def command(
    image: Path,
    action: str,
    bundle: Path | None,
    depth: Path | None,
    camera: Path | None,
    rectified: bool,
    out: Path | None,
    min_confidence: float,
    max_width: float,
    max_pixels: int,
    backend: str,
    precision: str,
    threads: int | None,
    as_json: bool,
) -> None:
    """Say where IMAGE affords an action and where to grasp it.

    With depth and camera, grasp points have a position in metres in the camera's optical frame (x right,
    y down, z forward), an orientation and a width.

    Depth is 16 bit grey (PNG, TIFF, .npy), in units of the camera file's depth_scale in metres (0.001 if it
    does not say), or floats in metres (TIFF, .npy).

    A camera file is JSON with width, height, fx, fy, cx, cy and depth_scale; a calibration of ROS
    (camera_calibration's ost.yaml or ost.txt, or what `ros2 topic echo --once /camera_info` prints), of
    OpenCV (FileStorage, YAML or JSON), of Open3D, or of librealsense (JSON). Its lens distortion is used.

    A picture with an EXIF orientation is grounded upright. Depth and camera belong to it as it is stored, and
    so do pixels, poses and overlay then.

    An action outside the model's list is answered by a bundle made with `selcon export --open`, unverified.

    \b
    Examples:
      selcon ground mug.jpg --action hold --out overlay.png
      selcon ground mug.jpg --action hold --depth mug_depth.png --camera mug.json --json
      selcon ground rgb.png --action hold --depth depth.npy --camera ost.yaml
      selcon ground knife.jpg --action "cut with" --bundle my_bundle.zip --out overlay.png
      selcon ground ladle.jpg --action "scoop with" --bundle open_bundle --out overlay.png
    """
    from selcon_ros.core.bundle import default_bundle_path, load_bundle
    from selcon_ros.core.files import read_stored, write_image
    from selcon_ros.core.grasp import WIDEST, GraspParameters, find_grasps
    from selcon_ros.core.grasp_result import GraspResult, Refusal
    from selcon_ros.core.orientation import as_stored, upright
    from selcon_ros.core.overlay import draw
    from selcon_ros.core.reason import Reason

    if depth is not None and camera is None:
        raise click.UsageError("--depth needs --camera, for the depth's unit and the focal length")
    if rectified and depth is None:
        raise click.UsageError("--rectified says how to read --camera, which is used with --depth only")
    for given in (image, depth, camera):
        if out is not None and given is not None and out.exists() and given.exists() and out.samefile(given):
            raise click.UsageError(f"--out is {given} itself, which would be lost: choose another name")
    limit = PixelLimit(max_pixels, "shrink it, or raise --max-pixels")
    stored, orientation = read_stored(image, limit)
    picture = upright(stored, orientation)
    if (brightest := int(picture.max())) < NEARLY_BLACK:
        click.echo(
            f"warning: {image} is nearly black, its brightest value is {brightest} of 255: if it holds 10 or "
            "12 bits in 16, scale them first",
            err=True,
        )
    geometry = None
    if depth is not None and camera is not None:
        geometry = _read_geometry(depth, camera, rectified, stored, orientation, limit)
    elif camera is not None:
        click.echo(f"{camera} is not used: without --depth there are no poses", err=True)

    path = bundle if bundle is not None else default_bundle_path()
    model = load_bundle(path, roles=())
    if model.manifest.data_warning:
        click.echo(f"warning: model {model.manifest.name}: {model.manifest.data_warning}", err=True)
    unknown = _unknown(action, model)  # told before the engine starts
    engine: dict[str, str | None] = {"engine": None, "engine_choice": None}
    if unknown is None:
        heatmap, engine = _ask(picture, action, path, backend, precision, threads)
    else:
        click.echo(f"{unknown}; asking by open vocabulary", err=True)
        heatmap = _ask_openly(picture, action, path, threads)
    turned = orientation != 1 and geometry is not None
    if turned:
        picture = stored
        heatmap = replace(heatmap, values=as_stored(heatmap.values, orientation))
        click.echo(
            f"{image} has EXIF orientation {orientation}: it was grounded upright; pixels, poses and overlay "
            "are of the picture as stored",
            err=True,
        )
    metres, intrinsics = geometry if geometry is not None else (None, None)
    parameters = GraspParameters(min_confidence=min_confidence, max_width=min(max_width, WIDEST))
    grasps = find_grasps(heatmap, metres, intrinsics, parameters)
    if unknown is not None and min_confidence > 0:
        refusal = Refusal(Reason.UNCALIBRATED, "no confidence is calibrated for this action")
        grasps = GraspResult(refused=(refusal,))
    if out is not None:
        note = "open vocabulary, unverified" if unknown is not None else ""
        write_image(out, draw(picture, heatmap, grasps, note))

    if as_json:
        record = {
            "image": str(image),
            "exif_orientation": orientation,
            "raster": "stored" if turned or orientation == 1 else "upright",
            "bundle": model.manifest.name,
            "rendered_only": model.manifest.rendered_only,
            **engine,
            "action": heatmap.action,
            "open_vocabulary": unknown is not None,
            "confidence": heatmap.confidence if unknown is None else None,
            "grasps": [grasp.record() for grasp in grasps.points],
            "refused": [refusal.text for refusal in grasps.refused],
            "reasons": [refusal.reason for refusal in grasps.refused],
            "overlay": str(out) if out is not None else None,
        }
        click.echo(json.dumps(record, indent=2))
        return
    click.echo(one_line(f"model {model.manifest.name}: {model.manifest.description}"), err=True)
    _print(heatmap, grasps, unknown is not None, metres is not None)
    if out is not None:
        click.echo(f"overlay: {out}")


def _read_geometry(
    depth: Path,
    camera: Path,
    rectified: bool,
    stored: "NDArray[np.uint8]",
    orientation: int,
    limit: PixelLimit,
) -> "tuple[NDArray[np.float32], Intrinsics]":
    """Return the depth in metres and the camera of a picture [H, W, 3] as it is stored."""
    from selcon_ros.core.camera import check_metres
    from selcon_ros.core.camera_files import read_camera
    from selcon_ros.core.depth_files import read_depth
    from selcon_ros.core.errors import DepthError
    from selcon_ros.core.orientation import check_stored

    intrinsics, scale = read_camera(camera, rectified)
    metres = read_depth(depth, scale, limit, orientation)
    check_stored(
        orientation,
        (stored.shape[1], stored.shape[0]),
        {str(depth): (metres.shape[1], metres.shape[0]), str(camera): (intrinsics.width, intrinsics.height)},
    )
    try:
        check_metres(metres, f"floats must be metres, whole numbers units of depth_scale, here {scale:g} m")
    except DepthError as error:
        raise DepthError(f"{depth}: {error}") from None
    return metres, intrinsics


def _ask(
    picture: "NDArray[np.uint8]", action: str, bundle: Path, backend: str, precision: str, threads: int | None
) -> "tuple[Heatmap, dict[str, str | None]]":
    """Ground an action of the model's list; return with it the engine's name and how it was chosen."""
    from selcon_ros.backends.options import CpuOptions
    from selcon_ros.model import load

    with load(bundle, backend, precision, CpuOptions(threads)) as model:
        for failure in model.failures:
            click.echo(f"passed over {failure}", err=True)
        told: dict[str, str | None] = {"engine": model.backend.name, "engine_choice": model.why}
        return model.ground(picture).heatmap(action), told


def _ask_openly(picture: "NDArray[np.uint8]", action: str, bundle: Path, threads: int | None) -> "Heatmap":
    """Ground any action, by a bundle's text encoder."""
    from selcon_ros.core.bundle import OPEN_ROLES, load_bundle
    from selcon_ros.plugins import plugins

    plugin = plugins("selcon.grounders").get("open_vocabulary")
    if plugin is None:
        raise ImportError("no open vocabulary here", name="selcon_training")
    grounder = plugin.load()(load_bundle(bundle, roles=OPEN_ROLES), action, threads)
    # Nothing was fitted for this action: no confidence, and so no grasp point unless none is asked for.
    heatmap: Heatmap = grounder.ground(picture).heatmap(grounder.actions[0])
    return replace(heatmap, confidence=0.0)


def _print(heatmap: "Heatmap", grasps: "GraspResult", openly: bool, has_depth: bool) -> None:
    if not openly:
        click.echo(f"{heatmap.action}: confidence {heatmap.confidence:.2f}")
    else:
        click.echo(
            f"{heatmap.action}: open vocabulary, unverified: no confidence is calibrated for it "
            "(--min-confidence 0 shows grasp points all the same)"
        )
    for number, grasp in enumerate(grasps.points, start=1):
        line = f"grasp {number}: pixel ({grasp.pixel[0]:.0f}, {grasp.pixel[1]:.0f}), score {grasp.score:.2f}"
        if grasp.position is not None and grasp.width is not None:
            x, y, z = (1000 * value for value in grasp.position)
            line += f", position ({x:.0f}, {y:.0f}, {z:.0f}) mm, width {1000 * grasp.width:.0f} mm"
        # A user who gave no depth knows that there is none.
        if grasp.note and has_depth:
            line += f" ({grasp.note})"
        click.echo(line)
    for refusal in grasps.refused:
        click.echo(f"no grasp: {refusal}")


def _unknown(action: str, bundle: "Bundle") -> str | None:
    """Return why `action` is not in the class list, or None if it is.

    Raises UnknownActionError if nothing in the bundle answers other actions.
    """
    from selcon_ros.core.actions import match_action
    from selcon_ros.core.bundle import OPEN_ROLES
    from selcon_ros.core.errors import UnknownActionError

    try:
        match_action(action, bundle.manifest.actions)
    except UnknownActionError as error:
        if not all(role in bundle.manifest.files for role in OPEN_ROLES):
            raise UnknownActionError(
                f"{error}. Other actions: a bundle made with selcon export --open"
            ) from None
        return str(error)
    return None
