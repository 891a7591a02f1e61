"""Training runs: they learn, resume bit for bit, and say what is wrong."""

import json
import math
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from selcon_ros.cli.main import main
from selcon_training.config import ConfigError, OptimiserConfig, ScheduleConfig, parse_config
from selcon_training.errors import CheckpointError
from selcon_training.models.checkpoint import load_model
from selcon_training.training.optimisers import parameter_groups, rate_factor
from selcon_training.training.prepare import prepare_run
from selcon_training.training.trainer import Trainer, TrainingError, TrainLoop
from support.dataset import COLOURS, config_values
from support.squares import squares_of

squares = squares_of(small_clip=True, train=24, val=9, negatives=6)


def train(values, resume=False, max_steps=None):
    trainer = Trainer(parse_config(values), resume=resume)
    return trainer, trainer.run(max_steps)


def weights(output):
    return load_file(output / "checkpoint" / "model.safetensors")


@pytest.mark.parametrize(
    ("encoders", "changes"),
    [(["clip", "dino"], {}), (["dino"], {"calibration": "none", "upscale": 2})],
    ids=["both encoders", "cam alone, finer"],
)
def test_dense_training_finds_the_coloured_parts(squares, tmp_path, encoders, changes):
    values = config_values(squares, tmp_path / "run") | changes
    values["encoders"]["train"] = encoders
    values["schedule"]["epochs"] = 14
    before = Trainer(parse_config(values)).net.state_dict()
    trainer, complete = train(values)
    assert complete and trainer.metrics["right_part"] > 0.7
    after = trainer.net.state_dict()
    for name in ("clip", "dino"):
        moved = any(not torch.equal(after[k], before[k]) for k in before if k.startswith(f"{name}."))
        assert moved is (name in encoders)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert len(lines) == 14 and lines[-1]["train"]["loss"] < 0.7 * lines[0]["train"]["loss"]
    assert list((tmp_path / "run" / "logs").iterdir())
    net, meta = load_model(tmp_path / "run" / "checkpoint")
    assert net.actions == list(COLOURS) and net.cam_activation == "sigmoid"
    assert meta["confidence"]["scale"] and min(meta["confidence"]["scale"]) > 0
    assert meta["metrics"]["validation"]["right_part"] == trainer.metrics["right_part"]
    assert meta["training"]["synthetic"] is True


@pytest.mark.parametrize("stop", [3, 6])
def test_an_interrupted_run_gives_what_an_uninterrupted_one_gives(squares, tmp_path, stop):
    runs = {}
    for name in ("whole", "parts"):
        values = config_values(squares, tmp_path / name)
        values["encoders"]["train"] = ["clip"]
        values["data"] |= {"cache": True, "balanced": "action", "jitter": {"hue": 0.1, "contrast": 0.2}}
        runs[name] = values
    train(runs["whole"])
    assert train(runs["parts"], max_steps=stop)[1] is False
    trainer, complete = train(runs["parts"], resume=True)
    assert complete and trainer.position.epoch == 2
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert whole.keys() == parts.keys() and all(torch.equal(whole[key], parts[key]) for key in whole)
    metas = [load_model(tmp_path / name / "checkpoint")[1] for name in ("whole", "parts")]
    assert metas[0] == metas[1]


def test_resuming_needs_the_same_configuration(squares, tmp_path):
    values = config_values(squares, tmp_path / "run")
    train(values, max_steps=1)
    with pytest.raises(ConfigError, match="already holds a run"):
        Trainer(parse_config(values))
    with pytest.raises(ConfigError, match="optimiser.lr: 0.002 became 0.5"):
        Trainer(parse_config(values | {"optimiser": values["optimiser"] | {"lr": 0.5}}), resume=True)
    longer = values | {"schedule": values["schedule"] | {"epochs": 3}}
    assert Trainer(parse_config(longer), resume=True).position.step == 1
    (tmp_path / "run" / "checkpoint" / "trainer.pt").unlink()
    with pytest.raises(CheckpointError, match=r"trainer.pt is missing"):
        Trainer(parse_config(values), resume=True)
    (tmp_path / "run" / "config.yaml").unlink()
    with pytest.raises(ConfigError, match=r"config.yaml, how it was begun, is missing"):
        Trainer(parse_config(values), resume=True)


def test_resume_without_a_checkpoint_starts_and_a_spare_one_is_used(squares, tmp_path):
    values = config_values(squares, tmp_path / "run")
    train(values, resume=True, max_steps=2)
    (tmp_path / "run" / "checkpoint").rename(tmp_path / "run" / "checkpoint.old")
    assert Trainer(parse_config(values), resume=True).position.step == 2


def test_a_complete_run_is_left_as_it_is(squares, tmp_path):
    values = config_values(squares, tmp_path / "run")
    values["schedule"]["epochs"] = 1
    train(values)
    folder = tmp_path / "run" / "checkpoint"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert train(values, resume=True)[1] is True
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_run_trains_with_the_parts_that_it_is_given(squares, tmp_path):
    values = config_values(squares, tmp_path / "run")
    values["schedule"]["epochs"] = 1
    run = prepare_run(parse_config(values))
    assert run.validator is not None
    before = {name: value.clone() for name, value in run.net.state_dict().items()}
    loop = TrainLoop(replace(run, validator=None))
    assert loop.run() and loop.metrics == {} and loop.confidence is None
    assert any(not torch.equal(value, before[name]) for name, value in run.net.state_dict().items())
    assert load_model(tmp_path / "run" / "checkpoint")[1]["metrics"] == {"validation": {}}


def test_a_signal_stops_after_the_step_with_a_checkpoint(squares, tmp_path):
    values = config_values(squares, tmp_path / "run")
    trainer = Trainer(parse_config(values))
    job = trainer.task.job

    def job_with_signal(epoch, step):
        if step == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return job(epoch, step)

    trainer.task.job = job_with_signal
    assert trainer.run() is False
    done = trainer.position.epoch * trainer.steps + trainer.position.step
    assert 0 < done < 2 * trainer.steps
    resumed = Trainer(parse_config(values), resume=True)
    assert resumed.position == trainer.position and resumed.run() is True


def test_a_loss_that_is_not_finite_ends_training_with_a_message(squares, tmp_path):
    values = config_values(squares, tmp_path / "run")
    values["optimiser"] = {"kind": "sgd", "lr": 1e30}
    with pytest.raises(TrainingError, match=r"not finite at epoch 1, step 2.*optimiser.lr"):
        train(values)


def test_a_device_that_is_not_there_is_told(squares, tmp_path):
    with pytest.raises(ConfigError, match="device = 'abacus'"):
        Trainer(parse_config(config_values(squares, tmp_path / "run", device="abacus")))


def test_sgd_groups_follow_the_paper(squares, tmp_path):
    net = Trainer(parse_config(config_values(squares, tmp_path / "run"))).net
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    rates = {}
    for group in parameter_groups(net, OptimiserConfig(), None):
        assert group["weight_decay"] == 5e-4
        rates |= {names[id(parameter)]: group["lr"] for parameter in group["params"]}
    assert set(rates) == {name for name in names.values() if name.startswith("heads.")}  # encoders are frozen
    assert rates["heads.fc1.weight"] == pytest.approx(1e-2) and rates["heads.fc2.bias"] == pytest.approx(2e-2)
    assert rates["heads.classifier.weight"] == 1e-3 and rates["heads.classifier.bias"] == 2e-3


def test_cosine_rate_with_warm_up():
    schedule = ScheduleConfig(rate="cosine", warmup_steps=10, final_rate=0.1)
    rates = [rate_factor(step, 110, schedule) for step in range(110)]
    assert rates[0] == pytest.approx(0.1) and rates[10] == pytest.approx(1.0)
    assert rates[60] == pytest.approx(0.55) and rates[-1] == pytest.approx(0.1, abs=1e-3)
    assert all(math.isclose(rate_factor(step, 5, ScheduleConfig()), 1.0) for step in range(5))


def test_the_command(squares, tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(json.dumps(config_values(squares, tmp_path / "run")))
    runner = CliRunner()
    shown = runner.invoke(main, ["train", str(path), "--check", "--set", "schedule.epochs=1"])
    assert shown.exit_code == 0 and "epochs: 1" in shown.output and not (tmp_path / "run").exists()
    done = runner.invoke(main, ["train", str(path), "--set", "schedule.epochs=1"])
    assert done.exit_code == 0 and "selcon export" in done.output, done.output
    again = runner.invoke(main, ["train", str(path)])
    assert again.exit_code == 1 and "Error:" in again.output and "--resume" in again.output
    wrong = runner.invoke(
        main, ["train", str(path), "--set", "data.root=/nowhere", "--set", f"output={tmp_path / 'x'}"]
    )
    assert wrong.exit_code == 1 and "/nowhere does not exist" in wrong.output
    assert not (tmp_path / "x").exists()
    assert np.isfinite(json.loads((tmp_path / "run" / "metrics.jsonl").read_text())["train"]["loss"])
