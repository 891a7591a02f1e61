"""The packaged bundle from nothing: render, train the encoders, train with the truth maps, export."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from selcon_ros.core.errors import SelconError
from selcon_training.config import load_config
from selcon_training.export import export_checkpoint
from selcon_training.run_state import checkpoint_folder
from selcon_training.tabletop.dataset import render
from selcon_training.tabletop.pretrain import ENCODERS, PretrainOptions, pretrain_all
from selcon_training.trainer import Trainer

CONFIG = Path(__file__).parents[2] / "configs" / "tabletop_dense.yaml"


def build(
    work: Path,
    out: Path,
    config: Path | None = None,
    scale: float = 1.0,
    pretrain_epochs: int | None = None,
    overrides: Sequence[str] = (),
    workers: int | None = None,
) -> None:
    """Make the bundle `out`, with data and runs under `work`; what an earlier call finished is not done
    again.

    `overrides` are "key=value" changes of the training configuration. Raises SelconError where a stage
    cannot go on.
    """
    data, encoders, run = work / "data", work / "encoders", work / "dense"
    render(data, scale=scale, workers=workers)
    missing = [name for name in ENCODERS if not (encoders / f"{name}.safetensors").is_file()]
    begun = [name for name in missing if (encoders / f"{name}.state.pt").is_file()]
    pretrain_all(missing, data, encoders, PretrainOptions(epochs=pretrain_epochs), resume=begun)
    settings = load_config(
        config or CONFIG,
        [
            f"data.root={data}",
            f"output={run}",
            *(f"encoders.{name}.weights={encoders / name}.safetensors" for name in ENCODERS),
            *overrides,
        ],
    )
    if not Trainer(settings, resume=checkpoint_folder(run).is_dir()).run():
        raise SelconError("training was stopped; the same command goes on from there")
    export_checkpoint(checkpoint_folder(run), out, samples=data / "Seen" / "valset" / "egocentric")
