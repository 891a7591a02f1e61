"""Two processes train as one with the same batch does."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from selcon_training import distributed
from selcon_training.config import parse_config
from selcon_training.errors import DistributedError
from selcon_training.losses.prototypical import prototypical_loss
from selcon_training.losses.released_code import row_selection
from selcon_training.training.ddp import SharedBatchNorm2d, parallel_losses
from selcon_training.training.trainer import Trainer
from support import pyramids
from support.processes import exit_code, in_a_process
from support.runs import assert_same_runs, dense, held_out, pyramid, weak, weights
from support.squares import squares_of

squares = squares_of(small_clip=True, train=4, val=3, negatives=3)
unlabelled = squares_of(small_clip=True, train=6, exhaustive=False)


def together(work, count=2):
    """Run `work` in `count` processes that torchrun could have started; returns their exit codes."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]

    def joined(rank):
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
        place |= {"MASTER_ADDR": "localhost", "MASTER_PORT": port, "OMP_NUM_THREADS": 1}
        os.environ.update({name: str(value) for name, value in place.items()})
        with distributed.process_group():
            distributed.join("cpu")
            work()

    children = [in_a_process(lambda rank=rank: joined(rank)) for rank in range(count)]
    return [exit_code(child) for child in children]


@pytest.mark.parametrize("kind", [weak, dense, pyramid, held_out])
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


def test_processes_must_have_the_same_configuration_and_data(squares, unlabelled, tmp_path, capfd):
    values = [dense(squares, tmp_path / f"of_{rank}") for rank in range(2)]
    values[1]["optimiser"] = values[1]["optimiser"] | {"lr": 0.5}
    assert together(lambda: Trainer(parse_config(values[distributed.rank()]))) == [1, 1]
    printed = capfd.readouterr().err
    told = "rank 1 has another configuration than rank 0: optimiser.lr: 0.5, 0.0003 for rank 0"
    assert f"ConfigError: {told}" in printed and re.search(
        f"ProcessLost: rank 1 on .* ended: {told}", printed
    )
    values = [weak(root, tmp_path / "run") for root in (squares, unlabelled)]
    assert together(lambda: Trainer(parse_config(values[distributed.rank()]))) == [1, 1]
    assert re.search("rank 1 has other data in .*: trainset/egocentric: 8 images", capfd.readouterr().err)
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_out_of_reach_of_the_first_process_is_told(squares, tmp_path, capfd):
    values = [dense(squares, tmp_path / f"of_{rank}") for rank in range(2)]
    (tmp_path / "of_1/checkpoint").mkdir(parents=True)
    for resume, told in (
        (True, "none for rank 0: start rank 0 on that host"),
        (False, "already holds a run"),
    ):
        assert together(lambda on=resume: Trainer(parse_config(values[distributed.rank()]), on)) == [1, 1]
        assert told in capfd.readouterr().err


def test_other_trainings_refuse_to_be_started_several_times(squares, tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(DistributedError, match="one of 2 processes, and only selcon train shares"):
        Trainer(parse_config(dense(squares, tmp_path / "run")))


def test_a_norm_of_another_kind_that_learns_its_statistics_is_refused(tmp_path):
    net = pyramids.net_of()
    net.heads.last.append(torch.nn.SyncBatchNorm(16))
    net.training_mode(("all",))  # the backbone's norms keep their statistics
    with pytest.raises(DistributedError, match=r"heads\.last\.3 of the network is a SyncBatchNorm"):
        parallel_losses(net, None)


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
