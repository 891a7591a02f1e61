"""`selcon play`: a recording as camera topics."""

from pathlib import Path

import click

from selcon_ros.cli.paths import UserPath


@click.command()
@click.argument("recording", required=False, type=UserPath(file_okay=False, exists=True))
@click.option("--namespace", default="/camera", show_default=True, help="Topics are NAMESPACE/image, …")
@click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), help="Frames per second  [default: as recorded]"
)
@click.option("--loop", is_flag=True, help="Begin again at the end, until Ctrl-C.")
def command(recording: Path | None, namespace: str, rate: float | None, loop: bool) -> None:
    """Publish a recording as a camera would: image, depth and camera_info, stamped with the present time.

    RECORDING is a folder with recording.mcap and truth.json; without it, the packaged one is played.

    \b
    Examples:
      selcon play --loop
      selcon play my_recording --namespace /wrist_camera --rate 10
    """
    from selcon_ros.ros.signals import Stop

    stop = Stop()  # before what is slow is imported
    from selcon_ros.demo.player import play
    from selcon_ros.recording import default_recording, read_recording

    count = play(read_recording(recording or default_recording()), stop, namespace, rate, loop)
    click.echo(f"published {count} frames")
