"""`selcon train`: train the network from a configuration file."""

from __future__ import annotations

import click


@click.command()
@click.argument("config", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a key, e.g. schedule.epochs=3."
)
@click.option(
    "--resume", is_flag=True, help="Go on from the run's checkpoint (from the start if it has none)."
)
@click.option("--check", is_flag=True, help="Only check the configuration and print it in full.")
def command(config: str, overrides: tuple[str, ...], resume: bool, check: bool) -> None:
    """Train the network from the YAML file CONFIG.

    Ctrl-C stops after the current step with a checkpoint; --resume goes on exactly there.

    \b
    Examples:
      selcon train training/configs/agd20k_seen.yaml --set data.root=/data/AGD20K
      selcon train training/configs/tabletop_dense.yaml --resume
      selcon train my.yaml --set seed=1 --set output=runs/seed1
    """
    from selcon_training.config import load_config

    read = load_config(config, overrides)
    if check:
        import yaml

        click.echo(yaml.safe_dump(read.model_dump(mode="json"), sort_keys=False), nl=False)
        return
    from selcon_training.trainer import Trainer

    if Trainer(read, resume=resume).run():
        click.echo(f"done; next: selcon export {read.output / 'checkpoint'} --out BUNDLE")
    else:
        click.echo(f"stopped; go on with: selcon train {config} --resume")
        raise SystemExit(130)
