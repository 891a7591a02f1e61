"""`selcon view`: a live page in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from selcon_ros.cli.model_options import engine_options, min_confidence_option
from selcon_ros.cli.options import F, FiniteRange, added, bundle_option, threads_option
from selcon_ros.cli.paths import UserPath
from selcon_ros.cli.start import INTERRUPTED_EXIT_CODE

if TYPE_CHECKING:
    from selcon_ros.view.sources.base import FrameSource

MODEL_OPTIONS = ("bundle", "backend", "precision", "threads", "min_confidence", "max_width")
"""What a running node has of its own."""
SOURCE_OPTIONS = [
    click.option("--node", help="Full name of the node, where several run  [default: the only one]"),
    click.option("--action", help="Actions to begin with: one, several (hold,pour), or all (*)."),
    click.option("--depth", help='Of a picture: its depth, PNG, TIFF, .npy; of a bag: the topic, or "none".'),
    click.option("--camera", type=UserPath(), help="Of a picture: the calibration, JSON or YAML."),
    click.option("--image", help="Of a bag: topic of the images  [default: the only one]"),
    click.option(
        "--camera-info", help="Of a bag: topic of the calibration  [default: that of the images' frame]"
    ),
    click.option(
        "--target-frame", help="Of a bag: show this frame and grasp points in it, by /tf and /tf_static."
    ),
    click.option("--rectified", is_flag=True, help="Picture or bag is rectified: use the projection matrix."),
    min_confidence_option,
    click.option(
        "--max-width",
        type=FiniteRange(0.001, 100),
        default=0.10,
        show_default=True,
        help="The gripper's opening in metres.",
    ),
    bundle_option,
]


def _source_options(function: F) -> F:
    return added(SOURCE_OPTIONS, function)


@click.command()
@click.argument("source", required=False)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; one that other machines reach needs a token.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0: any that is free."
)
@click.option("--open", "open_browser", is_flag=True, help="Open the page in this machine's browser.")
@click.option(
    "--stride",
    type=click.IntRange(1, 8),
    default=2,
    show_default=True,
    help="The cloud has every so many-th pixel; higher is faster.",
)
@click.option(
    "--rerun", "recording", type=UserPath(), help="Write what is shown for rerun, too: a new .rrd file."
)
@_source_options
@engine_options
@threads_option
@click.pass_context
def command(
    context: click.Context,
    /,
    host: str,
    port: int,
    open_browser: bool,
    stride: int,
    recording: Path | None,
    **options: Any,
) -> None:
    """Show what the node sees and answers on a page in the browser; or SOURCE, without a node.

    The page has the cloud with heat, grasps, overlay, actions to tick, confidences, times, diagnostics and
    sliders of thresholds. Without SOURCE, it shows the running node, and what is set on it are the node's
    actions and parameters. SOURCE is a picture, a video, a bag, a recording (a folder with recording.mcap and
    truth.json), or a webcam: its number or its device.

    \b
    Examples:
      selcon view
      selcon view mug.jpg --depth mug_depth.png --camera mug.json --action hold,pour
      selcon view kitchen_bag --image /camera/color/image_raw
      selcon view 0 --action hold --open
      selcon view --host 0.0.0.0 --port 8090
      selcon view kitchen_bag --rerun kitchen.rrd
    """
    from selcon_ros.ros.signals import Stop
    from selcon_ros.view.page import Page
    from selcon_ros.view.run import Viewer, run
    from selcon_ros.view.server import ViewServer

    record = None
    if recording is not None:
        from selcon_ros.view.rerun_log import RerunLog
    source = _source(context, **options)
    stop = Stop(status=INTERRUPTED_EXIT_CODE)
    # Before anything that takes long: a port that is in use is told at once.
    server = ViewServer(host, port)
    try:
        source.start()
        stop.hold()
        viewers: list[Viewer] = [Page(server.viser, source, stride)]
        if recording is not None:
            record = RerunLog(recording, stride)
            viewers.append(record)
        click.echo(f"open {server.address} in a browser; Ctrl-C ends it")
        if open_browser:
            click.launch(server.address)
        run(source, viewers, stop.wait)
    finally:
        stop.ending()
        server.close()
        source.close()
        stop.done()
        if record is not None:
            record.close()


def _source(
    context: click.Context,
    source: str | None,
    node: str | None,
    action: str | None,
    depth: str | None,
    camera: Path | None,
    image: str | None,
    camera_info: str | None,
    rectified: bool,
    target_frame: str | None,
    min_confidence: float,
    max_width: float,
    bundle: Path | None,
    backend: str,
    precision: str,
    threads: int | None,
) -> FrameSource:
    """Return what is to be shown, not started yet."""
    from selcon_ros.backends.options import CpuOptions
    from selcon_ros.core.grounding.actions import match_actions
    from selcon_ros.core.grounding.bundle import default_bundle_path, load_bundle
    from selcon_ros.model import load
    from selcon_ros.view.scene import Thresholds
    from selcon_ros.view.sources.offline import OfflineSource
    from selcon_ros.view.sources.opening import Given, open_camera

    given = Given(depth, camera, image, camera_info, rectified, target_frame)
    if source is None:
        given.only("a running node: give a SOURCE")
        _refuse(context, MODEL_OPTIONS, "is for a SOURCE without a node: a running node has its own")
        from selcon_ros.view.sources.node import NodeSource

        return NodeSource(node, action)
    _refuse(context, ("node",), "does not go with a SOURCE, which is shown without a node")
    known = load_bundle(bundle or default_bundle_path(), roles=()).manifest.actions
    first = () if action is None else match_actions(action, known)
    return OfflineSource(
        open_camera(source, given),
        lambda: load(bundle, backend, precision, CpuOptions(threads)),
        first,
        Thresholds(min_confidence=min_confidence, gripper_width=max_width),
    )


def _refuse(context: click.Context, names: tuple[str, ...], why: str) -> None:
    """Raise UsageError if one of these options is given."""
    for name in names:
        if context.get_parameter_source(name) == ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name.replace('_', '-')} {why}")
