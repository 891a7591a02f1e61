"""`selcon ground`: one action in one image file."""

import json
from dataclasses import asdict
from pathlib import Path

import click


@click.command(short_help="Ground an action in one image.")
@click.argument("image", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--action", required=True, help='What to do, for example "cut with"; spaces and case are free.')
@click.option("--bundle", type=click.Path(path_type=Path), help="Bundle, folder or .zip [the packaged one].")
@click.option("--depth", type=click.Path(path_type=Path), help="Depth registered to IMAGE, 16 bit PNG.")
@click.option("--camera", type=click.Path(path_type=Path), help="JSON: width height fx fy cx cy depth_scale.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Overlay picture to write.")
@click.option("--min-confidence", type=click.FloatRange(0, 1), default=0.5, show_default=True,
              help="No grasp points below this confidence.")
@click.option("--max-width", type=click.FloatRange(0.001), default=0.10, show_default=True,
              help="The gripper's opening in metres.")
@click.option("--threads", type=click.IntRange(1), help="Threads for the network [one per core].")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    image: Path,
    action: str,
    bundle: Path | None,
    depth: Path | None,
    camera: Path | None,
    out: Path | None,
    min_confidence: float,
    max_width: float,
    threads: int | None,
    as_json: bool,
) -> None:
    """Say where IMAGE affords an action and where to grasp it.

    With depth and camera, grasp points have a position in metres in the camera's optical frame (x right,
    y down, z forward), an orientation and a width. The depth's unit is the camera file's depth_scale in
    metres (0.001 if it does not say).

    \b
    Examples:
      selcon ground mug.jpg --action hold --out overlay.png
      selcon ground mug.jpg --action hold --depth mug_depth.png --camera mug.json --json
      selcon ground knife.jpg --action "cut with" --bundle my_bundle.zip --out overlay.png
    """
    from selcon_ros.backends.base import open_backend
    from selcon_ros.core.actions import match_action
    from selcon_ros.core.bundle import default_bundle_path, load_bundle
    from selcon_ros.core.files import read_camera, read_depth, read_image, write_image
    from selcon_ros.core.grasp import GraspParameters, find
    from selcon_ros.core.grounder import Grounder
    from selcon_ros.core.overlay import draw

    if depth is not None and camera is None:
        raise click.UsageError("--depth needs --camera, for the depth's unit and the focal length")
    picture = read_image(image)
    intrinsics, scale = read_camera(camera) if camera is not None else (None, 0.001)
    metres = read_depth(depth, scale) if depth is not None else None

    model = load_bundle(bundle if bundle is not None else default_bundle_path())
    match_action(action, model.manifest.actions)  # an unknown one is told before the engine starts
    grounder = Grounder(model, open_backend(model, threads=threads))
    heatmap = grounder.ground(picture).heatmap(action)
    parameters = GraspParameters(min_confidence=min_confidence, max_width=max_width)
    grasps = find(heatmap, metres, intrinsics, parameters)
    if out is not None:
        write_image(out, draw(picture, heatmap, grasps))

    if as_json:
        record = {
            "image": str(image),
            "bundle": model.manifest.name,
            "action": heatmap.action,
            "confidence": heatmap.confidence,
            "grasps": [asdict(grasp) for grasp in grasps],
            "refused": list(grasps.refused),
            "overlay": str(out) if out is not None else None,
        }
        click.echo(json.dumps(record, indent=2))
        return
    click.echo(f"model {model.manifest.name}: {model.manifest.description}", err=True)
    click.echo(f"{heatmap.action}: confidence {heatmap.confidence:.2f}")
    for number, grasp in enumerate(grasps, start=1):
        line = f"grasp {number}: pixel ({grasp.pixel[0]:.0f}, {grasp.pixel[1]:.0f}), score {grasp.score:.2f}"
        if grasp.position is not None and grasp.width is not None:
            x, y, z = (1000 * value for value in grasp.position)
            line += f", position ({x:.0f}, {y:.0f}, {z:.0f}) mm, width {1000 * grasp.width:.0f} mm"
        # A user who gave no depth knows that there is none.
        if grasp.note and metres is not None:
            line += f" ({grasp.note})"
        click.echo(line)
    for reason in grasps.refused:
        click.echo(f"no grasp: {reason}")
    if out is not None:
        click.echo(f"overlay: {out}")
