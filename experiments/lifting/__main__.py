"""Command line: python -m experiments.lifting OUT."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

sys.path.insert(1, str(Path(__file__).parents[2] / "training"))  # after the clone, before what is installed

from selcon_ros.cli.paths import OUT_FOLDER, UserPath
from selcon_ros.core.errors import SelconError


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("out", type=OUT_FOLDER)
@click.option(
    "--heat",
    type=click.Choice(["model", "truth"]),
    default="model",
    show_default=True,
    help="The network's heatmap, or the true part.",
)
@click.option(
    "--grasp",
    type=click.Choice(["published", "centroid", "grip"]),
    default="published",
    show_default=True,
    help="As the node publishes it; the heat-weighted centroid, top-down; the object's own grip.",
)
@click.option(
    "--action",
    type=click.Choice(["hold", "open"]),
    default="hold",
    show_default=True,
    help="What is tried. open: the lid or cap is lifted while its body stays fixed.",
)
@click.option("--bundle", type=UserPath(exists=True), help="Model [the packaged one].")
@click.option(
    "--kind", "kinds", multiple=True, metavar="KIND", help="Kinds of objects (repeat) [hold: 59, open: 9]."
)
@click.option("--scenes", type=click.IntRange(1), help="Scenes of each kind [hold: 3, open: 17].")
@click.option("--views", type=click.IntRange(1), default=2, show_default=True, help="Cameras of each scene.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@click.option(
    "--strips", type=click.IntRange(0), default=8, show_default=True, help="Lines of the film strip."
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def command(
    out: Path,
    heat: str,
    grasp: str,
    action: str,
    bundle: Path | None,
    kinds: tuple[str, ...],
    scenes: int | None,
    views: int,
    seed: int,
    workers: int,
    strips: int,
    as_json: bool,
) -> None:
    """Prove grasp points by lifting: a simulated hand closes at each pose, lifts the object and shakes it.

    Writes figures (NAME.json), tables of all ways measured so far (tables.md) and film strips into OUT.
    Started again, it goes on where it stopped: after a change of the code, use another folder.

    \b
    Examples:
      python -m experiments.lifting runs/lifting --workers 2
      python -m experiments.lifting runs/lifting --heat truth
      python -m experiments.lifting runs/lifting --grasp centroid
      python -m experiments.lifting runs/lifting --grasp grip --kind mug --kind hammer
      python -m experiments.lifting runs/lifting --action open
    """
    import cv2

    from experiments.lifting.film import choose, strip
    from experiments.lifting.scenes import kinds_of
    from experiments.lifting.table import markdown, summary
    from experiments.lifting.trials import ACTIONS, GRIP, TrialPlan, run
    from selcon_tabletop.objects import KINDS

    unknown = sorted(set(kinds) - set(KINDS))
    if unknown:
        raise SelconError(f"there is no kind {', '.join(unknown)}: the kinds are {', '.join(KINDS)}")
    able = kinds_of(action)
    without = sorted(set(kinds) - set(able))
    if without:
        raise SelconError(
            f"there is nothing to {action} at {', '.join(without)}: choose from {', '.join(able)}"
        )
    plan = TrialPlan(heat, grasp, kinds or able, scenes or ACTIONS[action], views, seed, bundle, action)
    rows = run(plan, out, workers)
    figures = summary(plan, rows)
    tag = f"{seed}-{views}"
    (out / f"{plan.name}-{tag}.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    others = [json.loads(path.read_text()) for path in sorted(out.glob(f"*-{tag}.json"))]
    (out / f"tables-{tag}.md").write_text(markdown(others), encoding="utf-8")
    if strips and grasp != GRIP:
        picture = strip(plan, out / plan.scenes_folder, choose(rows, strips))
        cv2.imwrite(str(out / f"{plan.name}-{tag}.jpg"), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    if as_json:
        click.echo(json.dumps(figures, indent=2))
    else:
        click.echo(
            f"{plan.name}: lifted {figures['lifted']} of {figures['trials']} ({100 * figures['rate']:.1f} %)"
        )
        for cause, count in figures["causes"].items():
            click.echo(f"  {cause}: {count}")


if __name__ == "__main__":
    try:
        command(prog_name="python -m experiments.lifting")
    except (SelconError, ImportError) as error:
        sys.exit(f"Error: {error}")
