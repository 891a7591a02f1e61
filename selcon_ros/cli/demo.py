"""`selcon demo`: the node at work on a recording."""

from pathlib import Path

import click

from selcon_ros.cli.options import bundle_option
from selcon_ros.cli.paths import OUT_FOLDER, UserPath
from selcon_ros.cli.start import INTERRUPTED_EXIT_CODE


@click.command()
@click.option(
    "--out",
    type=OUT_FOLDER,
    default="demo_out",
    show_default=True,
    help="Where pictures, grasp points and the bag go.",
)
@click.option(
    "--recording",
    type=UserPath(file_okay=False, exists=True),
    help="Folder with recording.mcap and truth.json  [default: the packaged one]",
)
@bundle_option
@click.option(
    "--action", "actions", multiple=True, help="May be repeated  [default: all in the recording's truth]"
)
@click.option(
    "--frames",
    type=click.IntRange(1, 100),
    default=30,
    show_default=True,
    help="Answers gathered per action.",
)
@click.option(
    "--patience",
    type=click.FloatRange(min=1),
    default=30.0,
    show_default=True,
    help="Longest wait for an action's answers, s.",
)
@click.pass_context
def command(
    context: click.Context,
    out: Path,
    recording: Path | None,
    bundle: Path | None,
    actions: tuple[str, ...],
    frames: int,
    patience: float,
) -> None:
    """Run the real node on a recorded camera, ask for actions, and leave what came in a folder.

    Per action a picture and the grasp points; a contact sheet, a bag for RViz or Foxglove, and a table with
    the distance of each grasp point to the true part. The exit code is 1 if something did not come.

    \b
    Examples:
      selcon demo
      selcon demo --out demo_out --action hold --action pour
    """
    from selcon_ros.ros.signals import Stop

    stop = Stop(status=INTERRUPTED_EXIT_CODE)  # before what is slow is imported
    from selcon_ros.demo.orchestration import run_demo

    results = run_demo(stop, out, recording, bundle, list(actions) or None, frames, patience)
    click.echo(f"pictures: {out / 'contact_sheet.png'}   bag: {out / 'bag'}   all in {out}/")
    for result in results:
        if result.missing:
            click.echo(f"Error: {result.action}: did not come: {', '.join(result.missing)}", err=True)
    if any(result.missing for result in results):
        context.exit(1)
