"""`selcon train`: train the network from a configuration file."""

from __future__ import annotations

from pathlib import Path

import click

from selcon_ros.cli.paths import UserPath
from selcon_ros.cli.start import INTERRUPTED_EXIT_CODE


@click.command()
@click.argument("config", type=UserPath(exists=True, dir_okay=False))
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a key, e.g. schedule.epochs=3."
)
@click.option(
    "--resume", is_flag=True, help="Go on from the run's checkpoint (from the start if it has none)."
)
@click.option(
    "--check",
    is_flag=True,
    help="Only check the configuration, and the bundle it goes on from, and print it in full.",
)
def command(config: Path, overrides: tuple[str, ...], resume: bool, check: bool) -> None:
    """Train the network from the YAML file CONFIG.

    torchrun or srun starts it on several GPUs or machines: schedule.batch_size is that of all together, and
    the result is that of one process. If a process is lost, all end; start them again with --resume.

    Ctrl-C stops after the current step with a checkpoint; --resume goes on exactly there.

    \b
    Examples:
      selcon train training/configs/agd20k_seen.yaml --set data.root=/data/AGD20K
      selcon train training/configs/tabletop_dense.yaml --resume
      selcon train my.yaml --set seed=1 --set output=runs/seed1
      torchrun --nproc-per-node=4 $(which selcon) train training/configs/agd20k_seen.yaml
    """
    from selcon_training.config import load_config

    read = load_config(config, overrides)
    if check:
        import yaml

        if read.backbone is not None and read.backbone.bundle is not None:
            from selcon_training.training.factory import check_bundle

            check_bundle(read)
        click.echo(yaml.safe_dump(read.model_dump(mode="json"), sort_keys=False), nl=False)
        return
    from selcon_training import distributed
    from selcon_training.training.trainer import Trainer

    with distributed.process_group():
        complete = Trainer(read, resume=resume).run()
        if distributed.is_main():
            click.echo(
                f"done; next: selcon export {read.output / 'checkpoint'} --out BUNDLE --samples PICTURES"
                if complete
                else f"stopped; go on with: selcon train {config} --resume"
            )
    if not complete:
        raise SystemExit(INTERRUPTED_EXIT_CODE)
