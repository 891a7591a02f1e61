"""Averaged weights: what is averaged, what a checkpoint holds, exact resume."""

import pytest
import torch
from safetensors.torch import load_file

from selcon_training.config import parse_config
from selcon_training.models.checkpoint import load_model
from selcon_training.training.ema import Average
from selcon_training.training.trainer import Trainer
from support.dataset import config_values
from support.nets import small_net


def run_values(root, output, decay, encoders=()):
    values = config_values(root, output, ema=None if decay is None else {"decay": decay})
    values["encoders"] = values["encoders"] | {"train": list(encoders)}
    return values


def weights(folder):
    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize("encoders", [(), ("dino",)], ids=["heads", "heads and an encoder"])
def test_a_checkpoint_holds_the_average_and_the_raw_weights(training_squares, tmp_path, encoders):
    trainer = Trainer(parse_config(run_values(training_squares, tmp_path / "averaged", 0.7, encoders)))
    step, history = trainer.stepper.step, []

    def recorded(*place):
        losses = step(*place)
        history.append({name: value.clone() for name, value in trainer.net.state_dict().items()})
        return losses

    trainer.stepper.step = recorded
    assert trainer.run()
    Trainer(parse_config(run_values(training_squares, tmp_path / "plain", None, encoders))).run()
    folder = tmp_path / "averaged/checkpoint"
    averaged, raw, plain = weights(folder), weights(folder / "raw"), weights(tmp_path / "plain/checkpoint")
    assert averaged.keys() == raw.keys() == plain.keys()
    assert all(torch.equal(raw[name], plain[name]) for name in raw)
    learning = ("heads.", *(f"{name}." for name in encoders))
    for name in averaged:
        wanted = history[0][name]
        for state in history[1:]:
            wanted = 0.7 * wanted + 0.3 * state[name]
        if not name.startswith(learning):
            assert torch.equal(averaged[name], raw[name]), name
        elif averaged[name].is_floating_point():
            torch.testing.assert_close(averaged[name], wanted, rtol=1e-4, atol=1e-6)
    moved = [name for name in averaged if not torch.equal(averaged[name], raw[name])]
    assert {"heads.fc1.weight", "heads.ego_projection.1.running_mean"} <= set(moved)
    metas = [load_model(place)[1] for place in (folder, folder / "raw", tmp_path / "plain/checkpoint")]
    assert metas[0]["metrics"] != metas[1]["metrics"] and metas[0]["confidence"] != metas[1]["confidence"]
    assert metas[1]["metrics"] == metas[2]["metrics"] and metas[1]["confidence"] == metas[2]["confidence"]


def test_a_warm_up_forgets_the_weights_before_training():
    torch.manual_seed(0)
    net, heads = small_net(), []
    average = Average(net, (), 0.9, warm_up=True)
    for _ in range(6):
        with torch.no_grad():
            net.heads.fc1.weight.add_(torch.randn_like(net.heads.fc1.weight))
        heads.append(net.heads.fc1.weight.clone())
        average.update()
    wanted = heads[0]
    for done, weight in enumerate(heads[1:], start=1):
        decay = min(0.9, (1 + done) / (10 + done))
        wanted = decay * wanted + (1 - decay) * weight
    torch.testing.assert_close(average.net.heads.fc1.weight, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("warm_up", [False, True])
def test_an_interrupted_averaged_run_gives_what_an_uninterrupted_one_gives(
    training_squares, tmp_path, warm_up
):
    for name in ("whole", "parts"):
        values = run_values(training_squares, tmp_path / name, 0.9)
        values["ema"]["warm_up"] = warm_up
        if name == "parts":
            assert not Trainer(parse_config(values)).run(max_steps=4)
        assert Trainer(parse_config(values), resume=True).run()
    for place in ("checkpoint", "checkpoint/raw"):
        whole, parts = weights(tmp_path / "whole" / place), weights(tmp_path / "parts" / place)
        assert all(torch.equal(whole[name], parts[name]) for name in whole)
