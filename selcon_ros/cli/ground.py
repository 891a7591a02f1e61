"""`selcon ground`: one action in one picture or in many."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from selcon_ros.cli.model_options import engine_options, min_confidence_option
from selcon_ros.cli.options import json_option, threads_option
from selcon_ros.cli.paths import OUT_FOLDER, Destination, UserPath
from selcon_ros.core.errors import SelconError
from selcon_ros.core.files.atomic_write import check_destination
from selcon_ros.core.pictures.pixel_limit import MAX_PIXELS, PixelLimit
from selcon_ros.core.text import one_line

if TYPE_CHECKING:
    from selcon_ros.cli.ground_picture import PictureAnswer

OUT_FILE_OR_FOLDER = Destination(lambda path: None)
"""A file or a folder, as there is one picture or many; it is checked when that is known."""


@click.command(short_help="Ground an action in one picture or in many.")
@click.argument("image", nargs=-1, required=True, metavar="IMAGE...")
@click.option("--action", required=True, help='What to do, for example "cut with"; spaces and case are free.')
@click.option("--bundle", type=UserPath(), help="Bundle, folder or .zip [the packaged one].")
@click.option(
    "--depth",
    type=UserPath(),
    help="Depth registered to IMAGE, PNG, TIFF, .npy; of many, a folder of the same names.",
)
@click.option("--camera", type=UserPath(), help="Calibration of the camera, JSON or YAML.")
@click.option("--rectified", is_flag=True, help="IMAGE is rectified: use the projection matrix of --camera.")
@click.option("--out", type=OUT_FILE_OR_FOLDER, help="Overlay picture to write; of many pictures, a folder.")
@click.option("--heatmaps", type=OUT_FOLDER, help="Folder for heatmaps, NAME.png or NAME.npy.")
@click.option(
    "--heatmap-format",
    type=click.Choice(["png", "npy"]),
    default="png",
    show_default=True,
    help="png: 16 bit grey, 65535 for 1; npy: float32.",
)
@min_confidence_option
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
@engine_options
@threads_option
@json_option
def command(
    image: tuple[str, ...],
    action: str,
    bundle: Path | None,
    depth: Path | None,
    camera: Path | None,
    rectified: bool,
    out: Path | None,
    heatmaps: Path | None,
    heatmap_format: str,
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
    with depth so do pixels, poses and overlay.

    Of many pictures (several files, a folder, a pattern in quotes) each has a line, with --json one JSON
    object a line; --out is then a folder. One that cannot be used is told, and the exit code is 1.

    An action outside the model's list is answered by a bundle made with `selcon export --open`, unverified.

    \b
    Examples:
      selcon ground mug.jpg --action hold --out overlay.png
      selcon ground mug.jpg --action hold --depth mug_depth.png --camera mug.json --json
      selcon ground rgb.png --action hold --depth depth.npy --camera ost.yaml
      selcon ground knife.jpg --action "cut with" --bundle my_bundle.zip --out overlay.png
      selcon ground photos/ --action hold --out overlays --heatmaps heatmaps --json > answers.jsonl
      selcon ground ladle.jpg --action "scoop with" --bundle open_bundle --out overlay.png
    """
    from selcon_ros.cli import ground_files as files
    from selcon_ros.cli.ground_picture import Asker, ground_picture
    from selcon_ros.core.cameras.picture_depth import Geometry
    from selcon_ros.core.grasps.grasp import MAX_GRIPPER_WIDTH, GraspParameters
    from selcon_ros.core.grounding.bundle import default_bundle_path
    from selcon_ros.core.outputs.overlay import draw
    from selcon_ros.core.pictures.picture_files import write_image

    if depth is not None and camera is None:
        raise click.UsageError("--depth needs --camera, for the depth's unit and the focal length")
    if rectified and depth is None:
        raise click.UsageError("--rectified says how to read --camera, which is used with --depth only")
    if camera is not None and depth is None:
        click.echo(f"{camera} is not used: without --depth there are no poses", err=True)
    many, pictures = files.several_pictures(image), files.pictures(image)
    _check_destination(out, many)
    limit = PixelLimit(max_pixels, "shrink it, or raise --max-pixels")
    parameters = GraspParameters(min_confidence=min_confidence, max_width=min(max_width, MAX_GRIPPER_WIDTH))
    places = []
    for picture in pictures:
        geometry = None
        if depth is not None and camera is not None:
            geometry = Geometry(files.depth_of(picture, depth), camera, rectified)
        overlay = out / f"{picture.name}.png" if out is not None and many else out
        heat = heatmaps / f"{picture.name}.{heatmap_format}" if heatmaps is not None else None
        for given in (picture.path, None if geometry is None else geometry.depth, camera):
            _keep(given, overlay, "--out")
            _keep(given, heat, "--heatmaps")
        places.append((picture, geometry, overlay, heat))
    faults = 0
    path = bundle if bundle is not None else default_bundle_path()
    with Asker(path, action, backend, precision, threads) as asker:
        manifest = asker.manifest
        if manifest.data_warning:
            click.echo(f"warning: model {manifest.name}: {manifest.data_warning}", err=True)
        described = one_line(f"model {manifest.name}: {manifest.description}")
        if many and not as_json:
            click.echo(described, err=True)
        for picture, geometry, overlay, heat in places:
            try:
                answer = ground_picture(asker, picture.path, geometry, limit, parameters)
                if heat is not None:
                    files.write_heatmap(heat, answer.heatmap)
                if overlay is not None:
                    note = "open vocabulary, unverified" if asker.openly else ""
                    write_image(overlay, draw(answer.picture, answer.heatmap, answer.grasps, note))
            except SelconError as error:
                if not many:
                    raise
                faults += 1
                click.echo(f"Error: {error}", err=True)
                if as_json:
                    click.echo(json.dumps({"image": str(picture.path), "error": str(error)}))
                continue
            if as_json:
                record = answer.record(picture.path, asker.openly)
                record |= {"bundle": manifest.name, "rendered_only": manifest.rendered_only}
                record |= asker.engine
                record |= {"overlay": _text(overlay), "heatmap": _text(heat)}
                click.echo(json.dumps(record, indent=None if many else 2))
            elif many:
                click.echo(_line(picture.path, answer, asker.openly))
            else:
                click.echo(described, err=True)
                _print(answer, asker.openly)
                if overlay is not None:
                    click.echo(f"overlay: {overlay}")
    if faults:
        raise click.ClickException(f"{faults} of {len(pictures)} pictures could not be used")


def _check_destination(out: Path | None, many: bool) -> None:
    """Tell before anything is computed that the overlay cannot be written."""
    if out is None:
        return
    if many and out.exists() and not out.is_dir():
        raise click.UsageError(f"--out {out} is a file: of many pictures it must be a folder")
    try:
        check_destination(out, folder=many)
    except OSError as error:
        raise click.ClickException(f"cannot write {out}: {error.strerror or error}") from error


def _keep(given: Path | None, out: Path | None, option: str) -> None:
    """Refuse to write over a file that is read."""
    if given is not None and out is not None and out.exists() and given.exists() and out.samefile(given):
        raise click.UsageError(f"{option} is {given} itself, which would be lost: choose another name")


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _line(image: Path, answer: PictureAnswer, openly: bool) -> str:
    """Return the answer for one of many pictures."""
    said = f"{image}: {answer.heatmap.action}"
    if not openly:
        said += f" {answer.heatmap.confidence:.2f}"
    if not answer.grasps.points:
        return (
            f"{said}, no grasp: {answer.grasps.refused[0]}" if answer.grasps.refused else f"{said}, no grasp"
        )
    (u, v), more = answer.grasps.points[0].pixel, len(answer.grasps.points) - 1
    return f"{said}, grasp at ({u:.0f}, {v:.0f})" + (f" and {more} more" if more else "")


def _print(answer: PictureAnswer, openly: bool) -> None:
    heatmap, grasps = answer.heatmap, answer.grasps
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
        if grasp.note and answer.has_depth:
            line += f" ({grasp.note})"
        click.echo(line)
    for refusal in grasps.refused:
        click.echo(f"no grasp: {refusal}")
