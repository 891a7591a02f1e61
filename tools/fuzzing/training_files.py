"""The files that training and measuring read: configurations, data sets, weights, lists, histories."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from fuzzing.subject import HEIGHT, WIDTH, Subject, command


def training_files(shared: Path) -> list[Subject]:
    """Kinds of files; some are read with what is in the folder `shared`."""
    import torch
    from safetensors.torch import save_file

    from selcon_ros.cli.main import main  # noqa: F401 - so that no child imports it anew
    from selcon_training.ablation.studies import load_study
    from selcon_training.checkpoint import load_model
    from selcon_training.config import load_config
    from selcon_training.data.text_lists import read_actions, read_skip
    from selcon_training.encoders.weight_files import read_state_dict, stated_encoder
    from selcon_training.explain.run_folder import read_history
    from selcon_training.run_state import read_state
    from support.dataset import make_dataset

    torch.set_num_threads(1)
    configs = Path(__file__).resolve().parents[2] / "training" / "configs"
    weights = {
        "encoder.weight": torch.randn(4, 3, 2, 2),
        "encoder.bias": torch.zeros(4),
        "scale": torch.tensor(1.0),
    }

    def study(to: Path) -> None:
        from selcon_training.ablation import studies

        shutil.copy(Path(studies.__file__).parent / "studies" / "beyond.yaml", to / "study.yaml")

    def state(folder: Path) -> None:
        for path in folder.glob("weights.*"):
            read_state_dict(path)
            stated_encoder(path)

    def check(folder: Path) -> None:
        command("data", "check", folder / "squares", "--threads", 1)

    def evaluate(folder: Path) -> None:
        command("evaluate", shared / "bundle", folder / "squares", "--threads", 1, "--out", folder / "report")

    data = lambda to: make_dataset(to / "squares", train=1, val=1, test=1, nothing=1)  # noqa: E731
    inside = [
        "squares/**/*.jpg",
        "squares/**/GT/**/*.png",
        "squares/**/*.png",
        "squares/*.json",
        "squares/**/*.json",
    ]
    return [
        Subject(
            "training configuration",
            lambda to: shutil.copy(configs / "tabletop_dense.yaml", to / "c.yaml"),
            ["c.yaml"],
            lambda folder: load_config(folder / "c.yaml"),
            2,
        ),
        Subject(
            "ablation study",
            study,
            ["study.yaml"],
            lambda folder: load_study(str(folder / "study.yaml")),
            0.5,
        ),
        Subject("data set", data, inside, check, 1.5),
        Subject("data set that is measured", data, inside, evaluate, 0.5),
        Subject(
            "checkpoint",
            lambda to: _checkpoint(to / "checkpoint", shared),
            ["checkpoint/*"],
            lambda folder: load_model(folder / "checkpoint"),
            1.5,
        ),
        Subject(
            "weights .safetensors",
            lambda to: save_file(weights, to / "weights.safetensors"),
            ["weights.safetensors"],
            state,
        ),
        Subject(
            "weights .pth",
            lambda to: torch.save({"model": weights}, to / "weights.pth"),
            ["weights.pth"],
            state,
        ),
        Subject(
            "state of a run", _state, ["trainer.pt"], lambda folder: read_state(folder, torch.device("cpu"))
        ),
        Subject(
            "class list",
            lambda to: (to / "a.txt").write_text("# actions\nhold\ncut_with\npour\n"),
            ["a.txt"],
            lambda folder: read_actions(folder / "a.txt"),
            0.5,
        ),
        Subject(
            "skip list", _skip_list, ["skip.txt"], lambda folder: read_skip(folder / "skip.txt", folder), 0.5
        ),
        Subject("history of a run", _history, ["metrics.jsonl"], read_history),
    ]


def _checkpoint(to: Path, shared: Path) -> None:
    import torch

    from selcon_training.checkpoint import save_model
    from selcon_training.encoders import load_clip, load_dino
    from selcon_training.model import SelconNet
    from support import nets

    torch.manual_seed(1)
    clip = load_clip({"name": nets.register_small_clip(shared)}, (HEIGHT, WIDTH))
    net = SelconNet(clip, load_dino({"name": "test_vit"}, (HEIGHT, WIDTH)), nets.ACTIONS).eval()
    save_model(to, net)


def _state(to: Path) -> None:
    import torch

    moments = {"step": torch.tensor(3.0), "exp_avg": torch.zeros(4), "exp_avg_sq": torch.ones(4)}
    torch.save({"optimiser": {"state": {0: moments}}, "step": 3, "epoch": 1}, to / "trainer.pt")


def _skip_list(to: Path) -> None:
    (to / "one.jpg").touch()
    (to / "skip.txt").write_text("# left out\none.jpg\n")


def _history(to: Path) -> None:
    lines: list[dict[str, Any]] = [
        {"epoch": epoch, "train": {"loss": 1.0 / (1 + epoch)}, "validation": {"kld": 2.0}}
        for epoch in range(4)
    ]
    (to / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
