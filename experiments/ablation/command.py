"""`selcon ablate`: train a configuration with changes and several seeds, and compare."""

from __future__ import annotations

from pathlib import Path

import click

from selcon_ros.cli.paths import OUT_FOLDER, UserPath
from selcon_ros.cli.start import INTERRUPTED_EXIT_CODE


@click.command(short_help="Train a configuration with changes and several seeds, and compare.")
@click.argument("config", type=UserPath(exists=True, dir_okay=False))
@click.option(
    "--study",
    "study_name",
    default="components",
    show_default=True,
    help="components, alpha, gamma, tau, lambda, beyond, or a YAML file of your own.",
)
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Seeds 0, 1, ...")
@click.option("--only", multiple=True, metavar="ROW", help="Train these rows only (repeat).")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a key in all rows, e.g. threads=1."
)
@click.option("--out", type=OUT_FOLDER, required=True, help="Folder of the runs.")
@click.option("--table", "only_table", is_flag=True, help="Train nothing: tabulate what is finished.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def command(
    config: Path,
    study_name: str,
    seeds: int,
    only: tuple[str, ...],
    overrides: tuple[str, ...],
    out: Path,
    only_table: bool,
    as_json: bool,
) -> None:
    """Train CONFIG once for every row of a study and every seed, measure each run's last epoch on all splits
    with truth maps, and make the table.

    Started again, it goes on where it stopped. Started several times at once (on several GPUs, say), each
    process takes the next run that no other has.

    \b
    Examples:
      selcon ablate training/configs/agd20k_seen.yaml --out runs/ablation
      selcon ablate training/configs/tabletop_weak.yaml --study alpha --seeds 1 --out runs/ablation
      selcon ablate my.yaml --study my_study.yaml --out runs/mine --table --json
    """
    from experiments.ablation.report import write
    from experiments.ablation.studies import load_study
    from experiments.ablation.study_runs import run_study

    study = load_study(study_name)
    stopped = not only_table and not run_study(study, config, overrides, seeds, out, only)
    results = write(study, out, seeds)
    if as_json:
        import json

        click.echo(json.dumps(results, indent=2))
    else:
        folder = out / f"{study.name}_report"
        click.echo((folder / "table.md").read_text(encoding="utf-8"))
        if results["missing"]:
            click.echo(f"not finished: {'; '.join(results['missing'])}")
        click.echo(f"report: {folder / 'report.html'}")
    if stopped:
        raise SystemExit(INTERRUPTED_EXIT_CODE)
