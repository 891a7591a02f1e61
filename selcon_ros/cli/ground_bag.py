"""`selcon ground-bag`: every image of a bag."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click

from selcon_ros.cli.model_options import engine_options, min_confidence_option
from selcon_ros.cli.options import FiniteRange, bundle_option, json_option
from selcon_ros.cli.paths import OUT_FOLDER, UserPath

NAMESPACE = re.compile(r"(/[A-Za-z_][A-Za-z0-9_]*)+")


@click.command()
@click.argument("bag", type=UserPath())
@click.option("--action", required=True, help="An action, several (hold,pour), or all (*).")
@click.option("--out", type=OUT_FOLDER, required=True, help="Folder for the new bag, the table and the page.")
@bundle_option
@click.option("--image", help="Topic of the images  [default: the only one]")
@click.option("--depth", help='Topic of registered depth, or "none"  [default: that of the images\' frame]')
@click.option("--camera-info", help="Topic of the calibration  [default: that of the images' frame]")
@click.option("--rectified", is_flag=True, help="The images are rectified: use P, not K and D.")
@click.option(
    "--image-turn",
    type=click.Choice(["0", "90", "180", "270", "tf"]),
    default="0",
    show_default=True,
    help="Degrees clockwise that turn the images upright; tf: by where z of --target-frame is up.",
)
@click.option(
    "--sync-tolerance",
    type=FiniteRange(0, 10),
    default=0.02,
    show_default=True,
    help="Largest difference of the stamps of image and depth, s.",
)
@min_confidence_option
@click.option(
    "--max-width",
    type=FiniteRange(0.001, 100),
    default=0.10,
    show_default=True,
    help="The gripper's opening in metres.",
)
@click.option(
    "--target-frame",
    default="",
    help="Of poses, markers and clouds, by the bag's /tf and /tf_static  [default: the camera's]",
)
@click.option(
    "--cloud",
    type=click.Choice(("part", "all", "none")),
    default="part",
    show_default=True,
    help="Write points of the affording part, or of all the image, with their heat.",
)
@click.option("--heatmaps/--no-heatmaps", default=True, help="Write the heatmaps, which are large, too.")
@click.option("--namespace", default="/affordance", show_default=True, help="Of the topics that are written.")
@engine_options
@click.option(
    "--processes", type=click.IntRange(1, 1024), help="That work side by side  [default: one per core]"
)
@json_option
def command(
    bag: Path,
    action: str,
    out: Path,
    bundle: Path | None,
    image: str | None,
    depth: str | None,
    camera_info: str | None,
    rectified: bool,
    image_turn: str,
    sync_tolerance: float,
    min_confidence: float,
    max_width: float,
    target_frame: str,
    cloud: str,
    heatmaps: bool,
    namespace: str,
    backend: str,
    precision: str,
    processes: int | None,
    as_json: bool,
) -> None:
    """Ground every image of a rosbag2 BAG (mcap or sqlite3), as the node would.

    OUT gets `bag` (the messages of BAG and ours: heatmap, overlay/compressed, grasp_points, cloud, markers,
    status; of several actions a topic each), `results.csv` and `index.html` with a film strip. Poses are in
    the camera's frame, or in that of --target-frame. After Ctrl-C the same command goes on where it was.

    \b
    Examples:
      selcon ground-bag kitchen --action hold --out grounded
      selcon ground-bag kitchen.mcap --action hold,pour --image /camera/color/image_raw --out grounded
      selcon ground-bag kitchen --action hold --target-frame base_link --out grounded
    """
    from tqdm import tqdm

    from selcon_ros.bags.plan import BagPlan
    from selcon_ros.bags.reader import BagReader
    from selcon_ros.bags.run import ground_bag
    from selcon_ros.bags.topics import choose
    from selcon_ros.core.grounding.actions import match_actions
    from selcon_ros.core.grounding.bundle import default_bundle_path, load_bundle
    from selcon_ros.core.machine.processor import usable_cores
    from selcon_ros.ros.parameters import Settings

    if NAMESPACE.fullmatch(namespace) is None:
        raise click.UsageError(
            f"--namespace {namespace!r} is none: /name, or /name/name, of letters, digits, _"
        )
    by_tf = image_turn == "tf"
    if by_tf and not target_frame:
        raise click.UsageError("--image-turn tf needs --target-frame, a frame whose z points up")
    path = bundle or default_bundle_path()
    manifest = load_bundle(path, roles=()).manifest
    if manifest.data_warning:
        click.echo(f"warning: model {manifest.name}: {manifest.data_warning}", err=True)
    actions = match_actions(action, manifest.actions)
    with BagReader(bag) as reader:
        topics = choose(reader, image, depth, camera_info)
        click.echo(
            f"images from {topics.image}, depth from {topics.depth or 'nowhere: no poses'}, "
            f"calibration from {topics.camera_info or 'nowhere: no poses'}",
            err=True,
        )
        settings = Settings(
            bundle=str(path),
            backend=backend,
            precision=precision,
            rectified=rectified,
            image_turn=0 if by_tf else int(image_turn),
            image_turn_by_tf=by_tf,
            sync_tolerance=sync_tolerance,
            min_confidence=min_confidence,
            gripper_width=max_width,
            target_frame=target_frame,
            cloud_part=cloud != "all",
        )
        plan = BagPlan(
            bag, path, topics, actions, manifest.actions, namespace, settings, heatmaps, cloud != "none"
        )
        with tqdm(unit="image", dynamic_ncols=True, disable=None) as bar:

            def begin(total: int, before: int) -> None:
                bar.reset(total)
                bar.initial = before
                bar.update(before)

            done = ground_bag(
                plan,
                reader,
                out,
                processes or usable_cores(),
                begin,
                lambda count: bar.update(count) and None,
            )
    usable = {row.received for row in done.rows if row.confidence == row.confidence}
    elsewhere = {row.received: row for row in done.rows if row.frame not in ("", target_frame)}
    record = {
        "images": done.images,
        "done_before": done.resumed,
        "unusable_images": done.images - len(usable),
        **({"images_in_target_frame": len(usable) - len(elsewhere)} if target_frame else {}),
        "types_left_out": done.left_out,
        "with_grasp_points": {
            each: sum(row.points > 0 for row in done.rows if row.action == each) for each in actions
        },
        "bag": str(out / "bag"),
        "table": str(out / "results.csv"),
        "page": str(out / "index.html"),
    }
    if done.left_out:
        click.echo(f"not copied, for nothing defines the type: {', '.join(done.left_out)}", err=True)
    if as_json:
        click.echo(json.dumps(record, indent=2))
        return
    for each in actions:
        grasped = sum(row.points > 0 for row in done.rows if row.action == each)
        click.echo(f"{each}: grasp points in {grasped} of {done.images} images")
    if unusable := done.images - len(usable):
        fault = next(row.note for row in done.rows if row.confidence != row.confidence)
        click.echo(f"{unusable} images could not be used: {fault}", err=True)
    if target_frame and elsewhere:
        note = next(iter(elsewhere.values())).note
        click.echo(f"{len(elsewhere)} images have poses in the camera's frame: {note}", err=True)
    click.echo(f"bag: {out / 'bag'}   table: {out / 'results.csv'}   page: {out / 'index.html'}")
