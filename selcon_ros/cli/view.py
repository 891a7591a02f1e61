"""`selcon view`: a live page in a browser."""

from __future__ import annotations

from pathlib import Path

import click

from selcon_ros.cli.model_options import engine_options, min_confidence_option
from selcon_ros.cli.options import FiniteRange, bundle_option, threads_option
from selcon_ros.cli.paths import UserPath
from selcon_ros.cli.start import STOPPED


@click.command()
@click.argument("source")
@click.option("--action", help="Actions to begin with: one, several (hold,pour), or all (*).")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; others need a token."
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
@click.option("--depth", help='Of a picture: its depth, PNG, TIFF, .npy; of a bag: the topic, or "none".')
@click.option("--camera", type=UserPath(), help="Calibration of a picture's camera, JSON or YAML.")
@click.option("--image", help="Of a bag: topic of the images  [default: the only one]")
@click.option(
    "--camera-info", help="Of a bag: topic of the calibration  [default: that of the images' frame]"
)
@click.option("--rectified", is_flag=True, help="Picture or bag is rectified: use the projection matrix.")
@min_confidence_option
@click.option(
    "--max-width",
    type=FiniteRange(0.001, 100),
    default=0.10,
    show_default=True,
    help="The gripper's opening in metres.",
)
@bundle_option
@engine_options
@threads_option
def command(
    source: str,
    action: str | None,
    host: str,
    port: int,
    open_browser: bool,
    stride: int,
    depth: str | None,
    camera: Path | None,
    image: str | None,
    camera_info: str | None,
    rectified: bool,
    min_confidence: float,
    max_width: float,
    bundle: Path | None,
    backend: str,
    precision: str,
    threads: int | None,
) -> None:
    """Show SOURCE on a page in the browser: cloud with heat, grasps, overlay, confidences and times.

    SOURCE is a picture, or a recording (a folder with recording.mcap and truth.json).

    \b
    Examples:
      selcon view mug.jpg
      selcon view mug.jpg --depth mug_depth.png --camera mug.json --action hold,pour
    """
    from selcon_ros.ros.signals import Stop

    stop = Stop(status=STOPPED)  # before what is slow is imported
    from selcon_ros.backends.options import CpuOptions
    from selcon_ros.core.actions import match_actions
    from selcon_ros.model import Model, load
    from selcon_ros.view.page import Page
    from selcon_ros.view.run import run
    from selcon_ros.view.scene import Thresholds
    from selcon_ros.view.server import PageServer
    from selcon_ros.view.sources.offline import OfflineSource
    from selcon_ros.view.sources.opening import Given, open_camera

    def opened() -> Model:
        return load(bundle, backend, precision, CpuOptions(threads))

    def first(known: tuple[str, ...]) -> tuple[str, ...]:
        return match_actions(action, known) if action is not None else ()

    thresholds = Thresholds(min_confidence=min_confidence, gripper_width=max_width)
    given = Given(depth, camera, image, camera_info, rectified)
    frames = OfflineSource(open_camera(source, given), opened, first, thresholds)
    server = None
    try:
        stop.hold()
        server = PageServer(host, port)
        frames.start()
        page = Page(server.viser, frames, stride)
        click.echo(f"open {server.address} in a browser; Ctrl-C ends it")
        if open_browser:
            click.launch(server.address)
        run(frames, [page], stop.wait)
    finally:
        stop.ending()
        if server is not None:
            server.close()
        frames.close()
        stop.done()
