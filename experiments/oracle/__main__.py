"""The oracle-feature experiment: the heads and the objective with features that cannot be wrong.

Instead of encoder features the heads get, per token, which parts the renderer knows to be there, plus noise.
What they then fail to learn is due to the task's design or the objective, not to the encoders. Needs the
label maps of a rendered set: {egocentric,exocentric}_{parts,objects}/<action>/<object>/<stem>.png and
parts.json with their names. Command line: python -m experiments.oracle CONFIG.
"""

from __future__ import annotations

import json

import click
import numpy as np

from experiments.oracle.features import OracleOptions
from experiments.oracle.oracle_training import cross_entropy_only, run_oracle
from selcon_training.config import load_config


@click.command()
@click.argument("config", type=click.Path(dir_okay=False))
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a key of the configuration."
)
@click.option("--noise", default=0.3, show_default=True, help="Standard deviation on the one-hots.")
@click.option("--seed", "seeds", type=int, multiple=True, default=(0,), help="Repeat for several runs.")
@click.option("--json", "as_json", is_flag=True, help="Print all figures as JSON.")
def command(
    config: str, overrides: tuple[str, ...], noise: float, seeds: tuple[int, ...], as_json: bool
) -> None:
    """Train the heads on oracle features of a rendered set, with and without the contrastive losses.

    \b
    Examples:
      python -m experiments.oracle training/configs/tabletop_weak.yaml
      python -m experiments.oracle training/configs/tabletop_weak.yaml --set data.balanced=none --seed 0
      --seed 1
    """
    import torch
    from rich.console import Console
    from rich.table import Table

    read = load_config(config, overrides)
    if read.threads is not None:
        torch.set_num_threads(read.threads)
    options = OracleOptions(noise=noise)
    variants = {"cross-entropy only": cross_entropy_only(read), "full objective": read}
    results = {
        name: [run_oracle(chosen, options, seed) for seed in seeds] for name, chosen in variants.items()
    }
    if as_json:
        click.echo(json.dumps(results, indent=2))
        return
    table = Table(
        "", "KLD", "SIM", "NSS", "right part %", title="oracle features, held-out scenes, mean over seeds"
    )
    actions = list(results["full objective"][0]["per_action"])
    for action in actions:
        table.add_column(f"{action} %", justify="right")
    for name, runs in results.items():
        means = [f"{np.mean([run['overall'][key] for run in runs]):.3f}" for key in ("kld", "sim", "nss")]
        rates = [100 * np.mean([run["overall"]["right_part"] for run in runs])]
        rates += [100 * np.mean([run["per_action"][a]["right_part"] for run in runs]) for a in actions]
        table.add_row(name, *means, *(f"{rate:.0f}" for rate in rates))
    Console(markup=False, emoji=False).print(table)


if __name__ == "__main__":
    command()
