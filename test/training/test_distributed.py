"""Two processes train as one with the same batch does."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from selcon_training import distributed
from selcon_training.config import parse_config
from selcon_training.losses.prototypical import prototypical_loss
from selcon_training.losses.released_code import row_selection
from selcon_training.training.ddp import SharedBatchNorm2d
from selcon_training.training.trainer import Trainer
from support.dataset import config_values
from support.nets import dataset_and_small_clip
from support.processes import exit_code, in_a_process

SGD = {"kind": "sgd", "lr": 0.0003}


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    return dataset_and_small_clip(tmp_path_factory.mktemp("squares"), train=4, val=3, negatives=3)


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory):
    return dataset_and_small_clip(tmp_path_factory.mktemp("unlabelled"), train=6, exhaustive=False)


def together(work, count=2):
    """Run ``work`` in ``count`` processes that torchrun could have started; returns their exit codes."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]

    def joined(rank):
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
        place |= {"MASTER_ADDR": "localhost", "MASTER_PORT": port, "OMP_NUM_THREADS": 1}
        os.environ.update({name: str(value) for name, value in place.items()})
        distributed.join("cpu")
        work()
        distributed.destroy()

    children = [in_a_process(lambda rank=rank: joined(rank)) for rank in range(count)]
    return [exit_code(child) for child in children]


def weights(output):
    return load_file(output / "checkpoint" / "model.safetensors")


def lines(output):
    return [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]


def assert_same_runs(one, other):
    """Losses, figures and weights of two runs, to 1e-5."""
    first, second = lines(one), lines(other)
    assert len(first) == len(second) == 2
    for ours, theirs in zip(first, second, strict=True):
        for part in ("train", "validation"):
            # Figures of a validation go through ranks and peaks of maps: less smooth than a loss.
            bound = 1e-5 if part == "train" else 1e-3
            assert ours[part] == pytest.approx(theirs[part], rel=bound, abs=bound)
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-5, atol=1e-5, msg=name)


def weak(root, output, **changes):
    values = config_values(root, output, supervision="weak", optimiser=SGD, **changes)
    values["weak"] = {"reliability": "class", "warm_up_epochs": 1}
    return values


def dense(root, output):
    values = config_values(root, output, optimiser=SGD, dense={"dice": 0.5}, ema={"decay": 0.5})
    values["optimiser"] = SGD | {"clip_norm": 1.0}
    values["encoders"] = values["encoders"] | {"train": ["clip"]}
    return values


def held_out(root, output):
    values = weak(root, output, validation={"held_out": 0.5}, variant="official")
    values["encoders"] = values["encoders"] | {"cache_features": True}
    return values


@pytest.mark.parametrize("kind", [weak, dense, held_out])
def test_two_processes_give_what_one_gives(squares, unlabelled, tmp_path, kind):
    root = unlabelled if kind is held_out else squares
    values = {name: kind(root, tmp_path / name) for name in ("one", "two")}
    assert together(lambda: Trainer(parse_config(values["two"])).run()) == [0, 0]
    Trainer(parse_config(values["one"])).run()
    assert_same_runs(tmp_path / "two", tmp_path / "one")
    meta = [json.loads((tmp_path / name / "checkpoint/model.json").read_text())["meta"] for name in values]
    confidence = [found.pop("confidence") for found in meta]
    if kind is not held_out:
        for name in ("scale", "offset"):
            assert confidence[0][name] == pytest.approx(confidence[1][name], rel=1e-3)
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == sorted(
        path.name for path in (tmp_path / "one").iterdir()
    )


def test_the_gradient_of_prototypes_reaches_the_process_they_come_from(tmp_path):
    torch.manual_seed(0)
    views, labels = 3, torch.tensor([0, 1, 0, 1])
    features = [torch.randn(len(labels), 6, 3, 4), torch.randn(len(labels) * views, 6, 3, 4)]
    maps = [torch.rand(len(labels) * (views if exo else 1), 3, 4) for exo in (0, 0, 1, 0, 1)]

    def loss_and_gradients():
        mine = [
            values.chunk(distributed.world_size())[distributed.rank()]
            for values in (*features, *maps, labels)
        ]
        ego, exo = (values.clone().requires_grad_() for values in mine[:2])
        own_labels = mine[-1]
        loss = prototypical_loss(ego, exo, own_labels, own_labels == 1, *mine[2:-1])
        gradients = torch.autograd.grad(loss, [ego, exo])  # of the mean over processes, times their number
        found = [
            distributed.all_reduce_mean(loss),
            *(distributed.all_gather(g) / distributed.world_size() for g in gradients),
        ]
        if distributed.is_main():
            torch.save(found, tmp_path / f"{distributed.world_size()}.pt")

    assert together(loss_and_gradients) == [0, 0]
    loss_and_gradients()
    one, two = (torch.load(tmp_path / f"{count}.pt", weights_only=True) for count in (1, 2))
    for ours, theirs in zip(two, one, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)


def test_the_released_selection_counts_rows_over_the_whole_batch(tmp_path):
    torch.manual_seed(0)
    maps = torch.rand(4, 3, 5, 6)

    def select():
        mine = row_selection(maps.chunk(distributed.world_size())[distributed.rank()], 0.6)
        found = distributed.all_gather(mine.float())
        if distributed.is_main():
            torch.save(found, tmp_path / f"{distributed.world_size()}.pt")

    assert together(select) == [0, 0]
    select()
    one, two = (torch.load(tmp_path / f"{count}.pt", weights_only=True) for count in (1, 2))
    assert torch.equal(one, two)


def test_a_signal_to_one_stops_all_after_the_same_step_and_they_resume(squares, tmp_path):
    values = {name: dense(squares, tmp_path / name) for name in ("whole", "stopped")}

    def told_to_stop():
        trainer = Trainer(parse_config(values["stopped"]))
        step = trainer.stepper.step

        def step_and_signal(*place):
            if distributed.rank() == 1 and place[1:] == (0, 0):
                os.kill(os.getpid(), signal.SIGTERM)
            return step(*place)

        trainer.stepper.step = step_and_signal
        assert trainer.run() is False and (trainer.position.epoch, trainer.position.step) == (1, 0)

    assert together(told_to_stop) == [0, 0]
    assert together(lambda: Trainer(parse_config(values["stopped"]), resume=True).run()) == [0, 0]
    assert together(lambda: Trainer(parse_config(values["whole"])).run()) == [0, 0]
    whole, stopped = weights(tmp_path / "whole"), weights(tmp_path / "stopped")
    assert all(torch.equal(whole[name], stopped[name]) for name in whole)


def test_torchrun_starts_the_command(squares, tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(json.dumps(dense(squares, tmp_path / "two")))
    script = Path(__file__).parent.parent / "support" / "selcon_with_small_clip.py"
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*torchrun, script, "train", path],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("done; next: selcon export") == 1
    Trainer(parse_config(dense(squares, tmp_path / "one"))).run()
    assert_same_runs(tmp_path / "two", tmp_path / "one")


def test_batches_that_cannot_be_shared_and_devices_of_ones_own_are_told(squares, tmp_path, capfd):
    values = weak(squares, tmp_path / "run")
    values["schedule"]["batch_size"] = 3
    assert together(lambda: Trainer(parse_config(values))) == [1, 1]
    assert "DistributedError: a batch of 3 cannot be split evenly over 2" in capfd.readouterr().err
    elsewhere = weak(squares, tmp_path / "run", device="cuda:1")
    assert together(lambda: Trainer(parse_config(elsewhere))) == [1, 1]
    assert "device = 'cuda:1': with several processes" in capfd.readouterr().err


def test_alone_the_shared_batch_norm_is_batch_norm():
    torch.manual_seed(0)
    usual, shared = torch.nn.BatchNorm2d(5), SharedBatchNorm2d(5)
    for mode in (True, True, False):
        images = 3 + 2 * torch.randn(4, 5, 6, 7)
        results = []
        for norm in (usual, shared):
            x = images.clone().requires_grad_()
            y = norm.train(mode)(x)
            (y * torch.linspace(-1, 1, y.numel()).view_as(y)).sum().backward()
            results.append((y, x.grad, norm.weight.grad, norm.bias.grad, *norm.buffers()))
        for ours, theirs in zip(*results, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
