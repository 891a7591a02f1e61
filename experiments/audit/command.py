"""`selcon audit`: how part discovery behaves on a trained run."""

from __future__ import annotations

from pathlib import Path

import click

from selcon_ros.cli.paths import OUT_FOLDER, UserPath


@click.command(short_help="Ask a trained run how its part discovery behaves.")
@click.argument("run", type=UserPath(exists=True, file_okay=False))
@click.option("--data", type=UserPath(exists=True, file_okay=False), help="Data set [the run's].")
@click.option("--out", type=OUT_FOLDER, required=True, help="Report folder.")
@click.option("--samples", type=click.IntRange(1), default=400, show_default=True)
@click.option(
    "--degraded",
    type=click.IntRange(0),
    default=120,
    show_default=True,
    help="Samples whose exocentric images are degraded.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--threads", type=click.IntRange(1), help="CPU threads [all].")
@click.option("--json", "as_json", is_flag=True, help="Print the tables as JSON.")
def command(
    run: Path,
    data: Path | None,
    out: Path,
    samples: int,
    degraded: int,
    seed: int,
    threads: int | None,
    as_json: bool,
) -> None:
    """Ask a weak run, by the folder of its `selcon train`, what the paper leaves open.

    How often is the discovered part right, and how often does it fall back to the object: by action, object,
    size and occlusion; under other thresholds α and γ; with exocentric images of worse quality or other
    scale; and against the object map alone. Needs truth maps (of the training images, else of testset);
    nothing is trained or chosen.

    \b
    Examples:
      selcon audit runs/agd20k_seen --out audit
      selcon audit runs/tabletop_weak --samples 200 --degraded 0 --out audit --json
    """
    import torch

    from experiments.audit.auditing import audit
    from experiments.audit.report import write

    if threads is not None:
        torch.set_num_threads(threads)
    tables = write(audit(run, data, samples, degraded, seed), out)
    if as_json:
        import json

        click.echo(json.dumps(tables, indent=2))
        return
    for name, row in tables["conditions"].items():
        click.echo(
            f"{name:<42} reliable {100 * row['reliable']:5.1f} %   part map right "
            f"{100 * row['part_right']:5.1f} %   used map right {100 * row['used_right']:5.1f} %"
        )
    click.echo(f"report: {out / 'report.html'}")
