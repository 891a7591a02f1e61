"""`selcon data label`: a page on this machine to draw part masks on photos."""

from __future__ import annotations

import signal
from pathlib import Path

import click

from selcon_ros.cli.options import bundle_option
from selcon_ros.cli.paths import OUT_FOLDER, UserPath
from selcon_ros.cli.start import INTERRUPTED_EXIT_CODE

PORT = 8723


@click.command()
@click.argument("photos", type=UserPath(exists=True, file_okay=False))
@click.option("--out", type=OUT_FOLDER, required=True, help="Data set to write, or to go on with.")
@click.option(
    "--action",
    "actions",
    metavar="LIST",
    help="Actions to draw for, with commas between  [default: the data set's, else the bundle's].",
)
@bundle_option
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="Of the page, on this machine alone; 0 for any that is free.",
)
@click.option("--open", "open_browser", is_flag=True, help="Open the page in this machine's browser.")
def label(
    photos: Path, out: Path, actions: str | None, bundle: Path | None, port: int, open_browser: bool
) -> None:
    """Open a page to draw part masks on the photos in the folder PHOTOS and below.

    It has polygon, brush and eraser, and saves by itself. Written is a data set in AGD20K's layout, as
    `selcon adapt` and `selcon evaluate` read it. The photos stay as they are. The same command goes on
    with a half-done set.

    \b
    Examples:
      selcon data label photos --out my_data
      selcon data label photos --out my_data --action hold,cut_with
      selcon adapt my_data --out bundles/mine --negatives my_data/negatives
    """
    from selcon_training.adapt.labelling.server import LabelServer
    from selcon_training.adapt.labelling.workspace import Workspace

    wanted = None if actions is None else [name.strip() for name in actions.split(",") if name.strip()]
    if wanted == []:
        raise click.BadParameter(f"{actions!r} names no action: --action hold,pour", param_hint="--action")
    server = LabelServer(lambda: Workspace(photos, out, wanted or _known(out, bundle)), port)
    workspace = server.workspace
    try:
        if workspace.unread:
            click.echo(f"not read in {photos}: {workspace.unread}", err=True)
        click.echo(f"{len(workspace.photos)} photos, actions: {', '.join(workspace.actions)}")
        click.echo(f"open {server.address} in a browser; Finish on the page or Ctrl-C ends it")
        if open_browser:
            click.launch(server.address)
        stopped = False
        for number in (signal.SIGTERM, signal.SIGHUP):  # also when the terminal is closed, masks are written
            signal.signal(number, signal.default_int_handler)
        try:
            server.run()
        except KeyboardInterrupt:
            stopped = True
            click.echo()
        if workspace.problem:
            raise click.ClickException(workspace.problem)
        _print_state(out, [workspace.state(number) for number in range(len(workspace.photos))])
        if stopped:
            raise SystemExit(INTERRUPTED_EXIT_CODE)
    finally:
        workspace.close()


def _known(out: Path, bundle: Path | None) -> list[str] | None:
    """The bundle's actions, for a data set that has none yet."""
    from selcon_ros.core.grounding.bundle import default_bundle_path, load_bundle
    from selcon_training.adapt.labelling.workspace import ACTIONS_FILE, DRAWINGS_FOLDER

    if (out / DRAWINGS_FOLDER / ACTIONS_FILE).exists():
        return None
    return list(load_bundle(bundle or default_bundle_path()).manifest.actions)


def _print_state(out: Path, states: list[str]) -> None:
    """What is in the data set, and what comes next."""
    from selcon_training.adapt.labelling.layout import NEGATIVES

    nothing = states.count("nothing")
    click.echo(f"{out}: {states.count('done')} photos with masks, {nothing} with nothing")
    if left := states.count("open"):
        click.echo(f"{left} photos are not labelled yet, and not in the data set")
    if again := states.count("again"):
        click.echo(f"{again} photos were labelled before an action was added: look at them again on the page")
    negatives = f" --negatives {out / NEGATIVES}" if nothing else ""
    click.echo(f"look at it: selcon data show {out} --out sheet.jpg")
    click.echo(f"next: selcon adapt {out} --out bundles/mine{negatives}")
