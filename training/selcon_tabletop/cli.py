"""`selcon tabletop`: render the synthetic tabletop data, train its encoders, and make the packaged bundle
and recording."""

from __future__ import annotations

import json
from pathlib import Path

import click

from selcon_ros.cli.options import FiniteRange
from selcon_ros.cli.paths import OUT_BUNDLE, OUT_FOLDER, UserPath
from selcon_training.cli.options import ranks_options


@click.group()
def command() -> None:
    """The synthetic tabletop world: data, encoders, and the bundle that comes with the package.

    \b
    Examples:
      selcon tabletop render data/tabletop
      selcon tabletop pretrain data/tabletop --out runs/tabletop_encoders
      selcon tabletop build --work runs/tabletop --out my_bundle
    """


@command.command()
@click.argument("data", type=OUT_FOLDER)
@click.option(
    "--scale",
    type=FiniteRange(0),
    default=1.0,
    show_default=True,
    help="Multiplies the number of scenes of every split.",
)
@click.option(
    "--seed", default=0, show_default=True, help="Every scene is a function of this and its number."
)
@click.option("--workers", type=click.IntRange(1), help="Worker processes; default: one a core.")
@click.option(
    "--media",
    type=UserPath(exists=True, file_okay=False),
    help="A folder of `selcon tabletop media`: its meshes and pictures go into the training splits.",
)
@ranks_options("the scenes")
def render(
    data: Path,
    scale: float,
    seed: int,
    workers: int | None,
    media: Path | None,
    ranks: int | None,
    rank: int | None,
) -> None:
    """Render the data set into the folder DATA; scenes already there are left out.

    Several processes share the scenes, into one folder or into one each, which are then put together.

    \b
    Examples:
      selcon tabletop render data/tabletop
      selcon tabletop render data/small --scale 0.02
      selcon tabletop render data/tabletop --media media
      selcon tabletop render data/tabletop --rank 0 --ranks 4
    """
    from selcon_tabletop.dataset import render as render_dataset
    from selcon_training.ranks import own_ranks

    own = own_ranks(rank, ranks)
    count = render_dataset(data, scale=scale, seed=seed, workers=workers, media=media, ranks=own)
    share = "" if own.count == 1 else f", the share of rank {own.rank} of {own.count}"
    click.echo(f"{count} scenes rendered into {data}{share}")


@command.command()
@click.argument("data", type=UserPath(exists=True, file_okay=False))
@click.option("--out", type=OUT_FOLDER, required=True, help="Folder for the weights.")
@click.option("--which", type=click.Choice(["dino", "clip", "both"]), default="both", show_default=True)
@click.option("--epochs", type=click.IntRange(1), help="Default: 3 (dino) and 2 (clip).")
@click.option("--batch", type=click.IntRange(1), default=16, show_default=True)
@click.option("--learning-rate", default=1e-3, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--threads", type=click.IntRange(1), help="CPU threads of each; default: a share of the cores.")
@click.option("--resume", is_flag=True, help="Go on from the kept state.")
def pretrain(
    data: Path,
    out: Path,
    which: str,
    epochs: int | None,
    batch: int,
    learning_rate: float,
    seed: int,
    threads: int | None,
    resume: bool,
) -> None:
    """Train the small encoders on the renders in DATA, with every label the renderer knows.

    \b
    Examples:
      selcon tabletop pretrain data/tabletop --out runs/tabletop_encoders
      selcon tabletop pretrain data/tabletop --out runs/tabletop_encoders --which clip --resume
    """
    from selcon_tabletop.pretrain import ENCODERS, PretrainOptions, pretrain_all

    options = PretrainOptions(epochs=epochs, batch=batch, learning_rate=learning_rate, seed=seed)
    chosen = ENCODERS if which == "both" else (which,)
    begun = chosen if resume else ()
    for name, losses in pretrain_all(chosen, data, out, options, begun, threads).items():
        click.echo(
            f"{out / name}.safetensors: " + ", ".join(f"{key} {value:.3f}" for key, value in losses.items())
        )


@command.command()
@click.argument("folder", type=OUT_FOLDER)
@click.option("--frames", type=click.IntRange(1), default=30, show_default=True)
@click.option("--seed", default=1082, show_default=True)
def record(folder: Path, frames: int, seed: int) -> None:
    """Render the demo's RGB-D recording with its truth into FOLDER.

    \b
    Example:
      selcon tabletop record selcon_ros/assets/demo
    """
    from selcon_tabletop.recording import record as record_frames

    click.echo(f"{record_frames(folder, frames, seed)} frames in {folder}")


@command.command()
@click.argument("out", type=OUT_FOLDER)
@click.option(
    "--deb-folder",
    type=UserPath(file_okay=False),
    help="Folder with downloaded .deb files and wheels; without it installed packages are read.",
)
@click.option("--download", is_flag=True, help="Fetch missing packages into it with apt-get and pip.")
@click.option("--only", multiple=True, metavar="LIST", help="Collect by this list alone; may be repeated.")
@click.option("--large", is_flag=True, help="Collect from packages of over half a gigabyte, too.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def media(
    out: Path, deb_folder: Path | None, download: bool, only: tuple[str, ...], large: bool, as_json: bool
) -> None:
    """Collect free pictures, textures and meshes out of packages into the folder OUT.

    \b
    Examples:
      selcon tabletop media data/media --deb-folder data/packages --download
      selcon tabletop media data/media --deb-folder data/packages --only scratch --only mypaint
    """
    from selcon_tabletop.media.collect import collect
    from selcon_tabletop.media.listing import read_sources

    sources = read_sources(only=only, large=large)
    summary = collect(out, sources, deb_folder, download, progress=not as_json).summary()
    if as_json:
        click.echo(json.dumps({"out": str(out), **summary}))
        return
    uses = ", ".join(f"{count} {use}" for use, count in summary["uses"].items())
    click.echo(f"{summary['files']} files in {out} ({summary['written']} written now): {uses}")


@command.command()
@click.argument("out", type=OUT_FOLDER)
@click.option(
    "--media", type=UserPath(exists=True, file_okay=False), required=True, help="Folder of tabletop media."
)
@click.option("--count", type=click.IntRange(1, 100_000), default=400, show_default=True, help="Pictures.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
def rooms(out: Path, media: Path, count: int, seed: int) -> None:
    """Render rooms of furniture meshes, without a tool, into the folder OUT: negative pictures.

    \b
    Example:
      selcon tabletop rooms data/rooms --media data/media --count 400
    """
    from selcon_tabletop.mesh_rooms import render_rooms

    click.echo(f"{render_rooms(media, out, count, seed)} pictures rendered into {out}")


@command.command()
@click.option("--work", type=OUT_FOLDER, required=True, help="Folder for data and runs.")
@click.option("--out", type=OUT_BUNDLE, required=True, help="Bundle to write.")
@click.option(
    "--config",
    "configs",
    multiple=True,
    type=UserPath(exists=True, dir_okay=False),
    help="A further one goes on from the bundle of the one before. Default: tabletop_pyramid.yaml and "
    "tabletop_pyramid_all.yaml in training/configs.",
)
@click.option(
    "--scale",
    type=FiniteRange(0),
    default=1.0,
    show_default=True,
    help="Multiplies the number of scenes of every split.",
)
@click.option(
    "--pretrain-epochs",
    type=click.IntRange(1),
    help="Of the encoders of a configuration without a backbone; default: 3 (dino) and 2 (clip).",
)
@click.option(
    "--media",
    type=UserPath(exists=True, file_okay=False),
    help="A folder of `selcon tabletop media`, for scenes and training.",
)
@click.option(
    "--rooms",
    type=click.IntRange(0, 100_000),
    default=0,
    show_default=True,
    help="Pictures of rooms to render with --media: further backgrounds and negative pictures.",
)
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a key of the configuration."
)
@click.option("--workers", type=click.IntRange(1), help="Rendering processes; default: one a core.")
def build(
    work: Path,
    out: Path,
    configs: tuple[Path, ...],
    scale: float,
    pretrain_epochs: int | None,
    overrides: tuple[str, ...],
    workers: int | None,
    media: Path | None,
    rooms: int,
) -> None:
    """Make the packaged bundle from nothing: render, train with the truth maps, export.

    Stopped half-way, the same command goes on where it was.

    \b
    Examples:
      selcon tabletop build --work runs/tabletop --out selcon_ros/assets/tabletop --media data/media
      selcon tabletop build --work runs/small --out runs/bundle --scale 0.02 --set schedule.epochs=1
      selcon tabletop build --work runs/vit --out vit --config training/configs/tabletop_dense.yaml
    """
    from selcon_tabletop.build import build as build_bundle

    build_bundle(
        work,
        out,
        configs=configs,
        scale=scale,
        pretrain_epochs=pretrain_epochs,
        overrides=overrides,
        workers=workers,
        media=media,
        rooms=rooms,
    )
