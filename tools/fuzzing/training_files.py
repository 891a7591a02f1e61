"""The files that training and measuring read: configurations, data sets, weights, lists, histories."""

from __future__ import annotations

import json
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

from fuzzing.subject import HEIGHT, WIDTH, Subject, command


def training_files(shared: Path) -> list[Subject]:
    """Kinds of files; some are read with what is in the folder `shared`.

    What reads them is imported when a good file is made: for the kinds that are asked for alone.
    """

    def evaluate(folder: Path) -> None:
        command("evaluate", shared / "bundle", folder / "squares", "--threads", 1, "--out", folder / "report")

    inside = [
        "squares/**/*.jpg",
        "squares/**/GT/**/*.png",
        "squares/**/*.png",
        "squares/*.json",
        "squares/**/*.json",
    ]
    return [
        Subject("training configuration", _configuration, ["c.yaml"], _read_configuration, 2),
        Subject("ablation study", _study, ["study.yaml"], _read_study, 0.5),
        Subject("data set", _data, inside, _check_data, 1.5),
        Subject("data set that is measured", _data, inside, evaluate, 0.5),
        Subject(
            "checkpoint",
            lambda to: _checkpoint(to / "checkpoint", shared),
            ["checkpoint/*"],
            _read_checkpoint,
            1.5,
        ),
        Subject("weights .safetensors", _safetensors, ["weights.safetensors"], _read_weights),
        Subject("weights .pth", _pth, ["weights.pth"], _read_weights),
        Subject("state of a run", _state, ["trainer.pt"], _read_state),
        Subject("class list", _class_list, ["a.txt"], _read_class_list, 0.5),
        Subject("skip list", _skip_list, ["skip.txt"], _read_skip_list, 0.5),
        Subject("history of a run", _history, ["metrics.jsonl"], _read_history),
    ]


def _bring(module: str) -> None:
    """Import what reads a kind of file, so that no child imports it anew."""
    import torch

    torch.set_num_threads(1)  # the threads of a pool would be missing in the children
    import_module(module)


def _configuration(to: Path) -> None:
    _bring("selcon_training.config")
    configs = Path(__file__).resolve().parents[2] / "training" / "configs"
    shutil.copy(configs / "tabletop_dense.yaml", to / "c.yaml")


def _read_configuration(folder: Path) -> None:
    from selcon_training.config import load_config

    load_config(folder / "c.yaml")


def _study(to: Path) -> None:
    _bring("experiments.ablation.studies")
    from experiments.ablation.studies import STUDIES_FOLDER

    shutil.copy(STUDIES_FOLDER / "beyond.yaml", to / "study.yaml")


def _read_study(folder: Path) -> None:
    from experiments.ablation.studies import load_study

    load_study(str(folder / "study.yaml"))


def _data(to: Path) -> None:
    from support.dataset import make_dataset

    _bring("selcon_training.data.check")
    _bring("selcon_training.reporting.evaluation")
    make_dataset(to / "squares", train=1, val=1, test=1, negatives=1)


def _check_data(folder: Path) -> None:
    command("data", "check", folder / "squares", "--threads", 1)


def _checkpoint(to: Path, shared: Path) -> None:
    _bring("selcon_training.models.checkpoint")
    import torch

    from selcon_training.encoders import load_clip, load_dino
    from selcon_training.models.checkpoint import save_model
    from selcon_training.models.selcon_net import SelconNet
    from support import nets

    torch.manual_seed(1)
    clip = load_clip({"name": nets.register_small_clip(shared)}, (HEIGHT, WIDTH))
    net = SelconNet(clip, load_dino({"name": "test_vit"}, (HEIGHT, WIDTH)), nets.ACTIONS).eval()
    save_model(to, net)


def _read_checkpoint(folder: Path) -> None:
    from selcon_training.models.checkpoint import load_model

    load_model(folder / "checkpoint")


def _weights() -> dict[str, Any]:
    _bring("selcon_training.encoders.weight_files")
    import torch

    return {
        "encoder.weight": torch.randn(4, 3, 2, 2),
        "encoder.bias": torch.zeros(4),
        "scale": torch.tensor(1.0),
    }


def _safetensors(to: Path) -> None:
    weights = _weights()
    from safetensors.torch import save_file

    save_file(weights, to / "weights.safetensors")


def _pth(to: Path) -> None:
    weights = _weights()
    import torch

    torch.save({"model": weights}, to / "weights.pth")


def _read_weights(folder: Path) -> None:
    from selcon_training.encoders.weight_files import read_state_dict, stated_encoder

    for path in folder.glob("weights.*"):
        read_state_dict(path)
        stated_encoder(path)


def _state(to: Path) -> None:
    _bring("selcon_training.training.run_folder")
    import torch

    moments = {"step": torch.tensor(3.0), "exp_avg": torch.zeros(4), "exp_avg_sq": torch.ones(4)}
    torch.save({"optimiser": {"state": {0: moments}}, "step": 3, "epoch": 1}, to / "trainer.pt")


def _read_state(folder: Path) -> None:
    import torch

    from selcon_training.training.run_folder import read_state

    read_state(folder, torch.device("cpu"))


def _class_list(to: Path) -> None:
    _bring("selcon_training.data.text_lists")
    (to / "a.txt").write_text("# actions\nhold\ncut_with\npour\n")


def _read_class_list(folder: Path) -> None:
    from selcon_training.data.text_lists import read_actions

    read_actions(folder / "a.txt")


def _skip_list(to: Path) -> None:
    _bring("selcon_training.data.text_lists")
    (to / "one.jpg").touch()
    (to / "skip.txt").write_text("# left out\none.jpg\n")


def _read_skip_list(folder: Path) -> None:
    from selcon_training.data.text_lists import read_skip

    read_skip(folder / "skip.txt", folder)


def _history(to: Path) -> None:
    _bring("selcon_training.reporting.trained_run")
    lines: list[dict[str, Any]] = [
        {"epoch": epoch, "train": {"loss": 1.0 / (1 + epoch)}, "validation": {"kld": 2.0}}
        for epoch in range(4)
    ]
    (to / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def _read_history(folder: Path) -> None:
    from selcon_training.reporting.trained_run import read_history

    read_history(folder)
