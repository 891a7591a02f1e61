"""`selcon explain`: draw what a network sees in a sample, from affinity to part discovery."""

from __future__ import annotations

from pathlib import Path

import click

from selcon_ros.cli.paths import OUT_PAGE, UserPath


@click.command(short_help="Draw part discovery and what leads to it, for any sample.")
@click.argument("checkpoint", type=UserPath())
@click.argument("images", nargs=-1, type=UserPath(dir_okay=False))
@click.option("--action", help='What to do, for example "cut with"; spaces and case are free.')
@click.option(
    "--exo",
    multiple=True,
    type=UserPath(),
    help="Picture of someone doing it, or a folder of which three are taken; may be repeated.",
)
@click.option("--data", type=UserPath(), help="Draw samples of this data set instead.")
@click.option("--divide", type=click.Choice(["Seen", "Unseen"]), help="Which divide of --data.")
@click.option("--split", default="trainset", show_default=True, help="Which split of --data.")
@click.option(
    "--sample", "names", multiple=True, metavar="ACTION/OBJECT/STEM", help="Which of --data; may be repeated."
)
@click.option("--out", type=OUT_PAGE, required=True, help="An .html file, or a folder for PNGs too.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures of every sample as JSON.")
def command(
    checkpoint: Path,
    images: tuple[Path, ...],
    action: str | None,
    exo: tuple[Path, ...],
    data: Path | None,
    divide: str | None,
    split: str,
    names: tuple[str, ...],
    out: Path,
    as_json: bool,
) -> None:
    """Draw what the network in folder CHECKPOINT sees in egocentric IMAGES.

    Affinity, saliency, CAM and heatmap; with exocentric pictures also what they single out, the candidate
    parts and their scores, which one is chosen and whether it is reliable, and the pixel loss's Q⁺.
    CHECKPOINT is a training run's folder or the checkpoint in it (a bundle has no exocentric branch).

    \b
    Examples:
      selcon explain runs/agd20k_seen mug.jpg --action hold --out mug.html
      selcon explain runs/agd20k_seen mug.jpg --action hold --exo people_with_mugs --out mug
      selcon explain runs/agd20k_seen --data /data/AGD20K --divide Seen \\
          --sample hold/bottle/bottle_000341 --out bottle.html
    """
    if data is not None and (images or action or exo or not names):
        raise click.UsageError("--data goes with --sample, and with neither IMAGES nor --action nor --exo")
    if data is None and (not images or not action or names or divide):
        raise click.UsageError("give IMAGES and --action, or --data and --sample")
    from selcon_training.reporting.explanation import run

    figures = run(
        checkpoint,
        out,
        images=images,
        action=action or "",
        exo=exo,
        data=data,
        divide=divide,
        split=split,
        names=names,
    )
    if as_json:
        import json

        click.echo(json.dumps(figures, indent=2))
        return
    for one in figures:
        line = f"{one['action']} in {one['image']}"
        if "piou" in one:
            scores = ", ".join(f"{score:.2f}" for score in one["piou"])
            line += (
                f": pIoU {scores}; {'reliable' if one['reliable'] else 'not reliable'}, "
                f"Q⁺ at {one['positive_set']} level"
            )
        click.echo(line)
    click.echo(f"page: {out if out.suffix.lower() in ('.html', '.htm') else out / 'index.html'}")
