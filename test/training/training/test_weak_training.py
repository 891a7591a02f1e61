"""Weak and mixed runs: the paper's objective in the trainer, exact resume."""

import json

import pytest
import torch
from safetensors.torch import load_file

from selcon_training.config import ConfigError, parse_config
from selcon_training.data.agd20k import open_dataset
from selcon_training.training.trainer import Trainer
from selcon_training.training.validation import LabelValidator
from support.dataset import config_values, make_dataset, weak_values
from support.nets import register_small_clip

SGD = {"kind": "sgd", "lr": 0.01}


def train(values, resume=False, max_steps=None):
    trainer = Trainer(parse_config(values), resume=resume)
    trainer.run(max_steps)
    return trainer


def losses(output):
    return [json.loads(line)["train"] for line in (output / "metrics.jsonl").read_text().splitlines()]


def test_weak_training_learns_the_actions(squares, tmp_path):
    values = weak_values(squares, tmp_path / "run")
    values["schedule"] |= {"epochs": 6, "rate": "constant"}
    trainer = train(values)
    seen = losses(tmp_path / "run")
    assert seen[-1]["cross_entropy"] < 0.9 * seen[0]["cross_entropy"]
    assert all(name in seen[0] for name in ("prototypical", "pixel", "reliable"))
    assert set(trainer.metrics) >= {"kld", "sim", "nss", "right_part"} and trainer.confidence is not None
    assert trainer.net.cam_activation == "none"


@pytest.mark.parametrize("cached", [True, False])
def test_an_interrupted_weak_run_gives_what_an_uninterrupted_one_gives(squares, tmp_path, cached):
    runs = {}
    for name in ("whole", "parts"):
        values = weak_values(squares, tmp_path / name)
        values["encoders"] |= {"cache_features": cached, "cache_folder": str(tmp_path / "features")}
        values["data"]["balanced"] = "folder"
        runs[name] = values
    train(runs["whole"])
    steps = train(runs["parts"], max_steps=4).steps
    assert steps > 4
    train(runs["parts"], resume=True)
    whole, parts = (load_file(tmp_path / name / "checkpoint" / "model.safetensors") for name in runs)
    assert all(torch.equal(whole[key], parts[key]) for key in whole)


def test_runs_with_class_thresholds_and_one_projection_resume_exactly(squares, tmp_path):
    thresholds = []
    for name, stops in (("whole", [None]), ("parts", [4, None])):
        changes = {"shared_projection": True, "weak": {"reliability": "class"}}
        values = weak_values(squares, tmp_path / name, **changes)
        values["encoders"]["cache_folder"] = str(tmp_path / "features")
        for number, stop in enumerate(stops):
            trainer = train(values, resume=number > 0, max_steps=stop)
        assert not any(key.startswith("exo_projection") for key in trainer.net.heads.state_dict())
        thresholds.append(trainer.task.learnables.mean)
    assert torch.equal(*thresholds) and (thresholds[0] != 0.6).any()
    whole, parts = (
        load_file(tmp_path / name / "checkpoint" / "model.safetensors") for name in ("whole", "parts")
    )
    assert all(torch.equal(whole[key], parts[key]) for key in whole)


def test_warm_up_is_cross_entropy_alone(squares, tmp_path):
    values = weak_values(squares, tmp_path / "run", weak={"warm_up_epochs": 1})
    train(values)
    first, second = losses(tmp_path / "run")
    assert first["prototypical"] == first["pixel"] == 0 and second["prototypical"] > 0


def test_without_a_valset_held_out_images_are_classified_and_not_trained_on(unlabelled, tmp_path):
    values = weak_values(unlabelled, tmp_path / "run", validation={"held_out": 0.34})
    trainer = train(values)
    assert isinstance(trainer.validator, LabelValidator)
    assert set(trainer.metrics) == {"cross_entropy", "accuracy"} and trainer.confidence is None
    held = {item.name for item in trainer.validator.items}
    trained = {item.name for item in trainer.task.split.ego}
    assert held and not held & trained
    assert len(held | trained) == len(open_dataset(unlabelled, "Seen").items("trainset"))
    values = weak_values(unlabelled, tmp_path / "other", validation={"held_out": 0.34})
    values |= {"supervision": "dense", "encoders": config_values(unlabelled, tmp_path)["encoders"]}
    other = Trainer(parse_config(values))
    assert {item.name for item in other.validator.items} == held
    assert {item.name for item in other.task.mixture.main.items} == trained


def test_mixed_training_uses_truth_where_there_is_some(unlabelled, tmp_path):
    root = tmp_path / "data"
    make_dataset(root, train=9, exhaustive=False)
    for path in sorted((root / "Seen/trainset/GT").rglob("*.png"))[::2]:
        path.unlink()
    values = config_values(root, tmp_path / "run", supervision="mixed")
    values["schedule"]["epochs"] = 1
    trainer = train(values)
    (seen,) = losses(tmp_path / "run")
    assert {"dense_loss", "weak_loss", "weak_prototypical"} <= set(seen)
    assert seen["loss"] == pytest.approx(seen["dense_loss"] + seen["weak_loss"], rel=1e-4)
    task = trainer.task
    masked = {item.name for item in task.dense.mixture.main.items}
    assert masked and not masked & {item.name for item in task.weak.split.ego}
    assert task.steps() == max(task.dense.steps(), task.weak.steps())
    whole = config_values(unlabelled, tmp_path / "other", supervision="mixed")
    with pytest.raises(ConfigError, match="use supervision: dense"):
        Trainer(parse_config(whole))


def test_mixed_runs_resume_exactly(tmp_path):
    register_small_clip(tmp_path)
    root = make_dataset(tmp_path / "data", train=9, exhaustive=False)
    for path in sorted((root / "Seen/trainset/GT").rglob("*.png"))[::2]:
        path.unlink()
    for name, stops in (("whole", [None]), ("parts", [3, None])):
        values = config_values(root, tmp_path / name, supervision="mixed")
        for number, stop in enumerate(stops):
            train(values, resume=number > 0, max_steps=stop)
    whole, parts = (
        load_file(tmp_path / name / "checkpoint" / "model.safetensors") for name in ("whole", "parts")
    )
    assert all(torch.equal(whole[key], parts[key]) for key in whole)
