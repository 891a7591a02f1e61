"""Runs that are killed, starved of disk, fed other data or made to diverge."""

import json
import os
import random
import resource
import shutil
import signal

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from selcon_training.config import ConfigError, parse_config
from selcon_training.errors import CheckpointError, CheckpointNotWritten
from selcon_training.training import run_folder
from selcon_training.training.nonfinite_guard import NonfiniteGuard
from selcon_training.training.optimisers import make_optimiser
from selcon_training.training.trainer import Trainer, TrainingError
from support.dataset import config_values
from support.processes import exit_code, in_a_process, processor_time

SGD = {"kind": "sgd", "lr": 0.01}


def run_values(root, output, **changes):
    """Two epochs of three steps with a checkpoint after each."""
    return config_values(root, output, **{"checkpoint": {"every_steps": 1}, **changes})


def weights(output):
    return load_file(run_folder.checkpoint_folder(output) / "model.safetensors")


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_a_run_killed_again_and_again_gives_what_an_unkilled_one_gives(training_squares, tmp_path):
    values = {name: run_values(training_squares, tmp_path / name) for name in ("whole", "killed")}
    duration = processor_time(lambda: Trainer(parse_config(values["whole"])).run())

    def resume():
        Trainer(parse_config(values["killed"]), resume=True).run()

    moments, ends = random.Random(0), []
    while len(ends) < 5 and 0 not in ends:
        ends.append(exit_code(in_a_process(resume, killed_after=moments.uniform(0.1, 0.6) * duration)))
    assert ends[0] == -signal.SIGPROF and set(ends) <= {0, -signal.SIGPROF}
    assert exit_code(in_a_process(resume)) == 0
    assert equal(weights(tmp_path / "killed"), weights(tmp_path / "whole"))
    epochs = [json.loads(line)["epoch"] for line in (tmp_path / "killed/metrics.jsonl").open()]
    assert epochs == [1, 2]
    left = {path.name for path in (tmp_path / "killed").iterdir() if path.name != "lock"}
    assert left == {"checkpoint", "config.yaml", "data.json", "logs", "metrics.jsonl"}


def test_two_processes_do_not_train_in_one_folder(training_squares, tmp_path):
    values = run_values(training_squares, tmp_path / "run")
    first = Trainer(parse_config(values))

    def second(resume):
        with pytest.raises(ConfigError, match="another process trains in .*run: wait for it, stop it"):
            Trainer(parse_config(values), resume=resume)

    assert exit_code(in_a_process(lambda: second(resume=False))) == 0
    first.run(max_steps=1)
    again = Trainer(parse_config(values), resume=True)
    assert exit_code(in_a_process(lambda: second(resume=True))) == 0
    assert again.run()
    assert Trainer(parse_config(values), resume=True).run()
    assert Trainer(parse_config(values), resume=True).run(), "a finished run's lock is released too"


def test_killed_at_any_moment_of_writing_one_whole_checkpoint_is_left(training_squares, tmp_path):
    trainer = Trainer(parse_config(run_values(training_squares, tmp_path / "run")))
    trainer.run(max_steps=1)
    shutil.copytree(tmp_path / "run", tmp_path / "before")
    before = weights(tmp_path / "run")
    trainer.stepper.step(trainer.task.job(0, 1)(), 0, 1)
    trainer.position.step = 2
    seen = set()
    for moment in range(100):
        shutil.rmtree(tmp_path / "run")
        shutil.copytree(tmp_path / "before", tmp_path / "run")

        def save_and_die(moment=moment):
            left = iter(range(moment))

            def deadly(call):
                def wrapped(*args, **kwargs):
                    if next(left, None) is None:
                        os.kill(os.getpid(), signal.SIGKILL)
                    return call(*args, **kwargs)

                return wrapped

            for name in ("fsync", "rename", "replace", "mkdir", "rmdir", "unlink"):
                setattr(os, name, deadly(getattr(os, name)))
            trainer._save()

        died = exit_code(in_a_process(save_and_die)) == -signal.SIGKILL
        run_folder.clean_up(tmp_path / "run")
        folder = run_folder.checkpoint_folder(tmp_path / "run")
        assert folder.name == "checkpoint" and not list((tmp_path / "run").glob("checkpoint.*"))
        step = run_folder.read_state(folder, trainer.device)["step"]
        assert equal(weights(tmp_path / "run"), before) is (step == 1)
        seen.add((step, died))
        if not died:
            break
    assert seen == {(1, True), (2, True), (2, False)}


def test_other_data_are_refused_on_resume(tmp_path, training_squares):
    data = shutil.copytree(training_squares, tmp_path / "data")
    values = run_values(data, tmp_path / "run")
    Trainer(parse_config(values)).run(max_steps=1)
    moved = shutil.copytree(data, tmp_path / "moved")
    elsewhere = values | {"data": values["data"] | {"root": str(moved)}}
    assert Trainer(parse_config(elsewhere), resume=True).position.step == 1
    image = next((moved / "Seen/trainset/egocentric/pour").rglob("*.jpg"))
    image.write_bytes(image.read_bytes() + b"\0")
    with pytest.raises(ConfigError, match="counts are the same, but names, sizes"):
        Trainer(parse_config(elsewhere), resume=True)
    image.unlink()
    with pytest.raises(ConfigError, match=r"trainset/egocentric: 24 images became 23$"):
        Trainer(parse_config(elsewhere), resume=True)
    shutil.copytree(moved / "Seen/valnothingset", moved / "Seen/valclutterset")
    with pytest.raises(ConfigError, match=r"valclutterset/egocentric: 0 images became \d+$"):
        Trainer(parse_config(elsewhere), resume=True)
    (tmp_path / "run/data.json").unlink()
    with pytest.raises(ConfigError, match=r"what it learned from: cannot read .*data.json"):
        Trainer(parse_config(values), resume=True)


def test_weights_that_are_not_finite_are_refused_by_name(training_squares, tmp_path):
    values = run_values(training_squares, tmp_path / "run")
    trainer = Trainer(parse_config(values))
    trainer.run(max_steps=1)
    folder = tmp_path / "run/checkpoint"
    with torch.no_grad():
        trainer.net.heads.classifier.bias[0] = torch.nan
    with pytest.raises(CheckpointError, match="is not written: NaN or infinite: heads.classifier.bias$"):
        trainer._save()
    state = load_file(folder / "model.safetensors")  # the former one is as it was
    assert all(value.isfinite().all() for value in state.values())
    state["heads.fc1.weight"][2, 3] = torch.inf
    save_file(state, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="cannot be used: NaN or infinite: heads.fc1.weight$"):
        Trainer(parse_config(values), resume=True)
    state["heads.fc1.weight"][2, 3] = 0.0
    save_file(state, folder / "model.safetensors")
    saved = torch.load(folder / "trainer.pt", weights_only=True)
    saved["optimiser"]["state"][0]["exp_avg"].fill_(torch.nan)
    torch.save(saved, folder / "trainer.pt")
    with pytest.raises(CheckpointError, match="be resumed: NaN or infinite: optimiser.state.0.exp_avg$"):
        Trainer(parse_config(values), resume=True)
    (folder / "trainer.pt").write_bytes(b"half")
    with pytest.raises(CheckpointError, match=r"trainer.pt cannot be read"):
        Trainer(parse_config(values), resume=True)


@pytest.mark.parametrize("fused", [False, True], ids=["checked every step", "checked when logged"])
@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_a_step_that_is_not_finite_changes_nothing_and_its_batch_is_kept(
    training_squares, tmp_path, kind, fused
):
    values = run_values(training_squares, tmp_path / "run", optimiser=SGD | {"kind": kind}, checkpoint={})
    values["logging"]["every_steps"] = 100
    trainer = Trainer(parse_config(values))
    if fused:  # as on CUDA
        trainer.stepper.optimiser = make_optimiser(trainer.net, trainer.config.optimiser, fused=True)
        trainer.stepper.guard = NonfiniteGuard(trainer.stepper.optimiser, trainer.device)
    assert trainer.stepper.guard.checks_lazily is fused
    losses, seen = trainer.task.losses, []

    def with_a_bad_gradient(batch, epoch, step):
        found = losses(batch, epoch, step)
        seen.append({name: value.clone() for name, value in trainer.net.named_parameters()})
        if step == 1:  # finite, but its derivative is infinite times zero
            found["loss"] = found["loss"] + (trainer.net.heads.fc2.bias.sum() * 0).sqrt()
        return found

    trainer.task.losses = with_a_bad_gradient
    with pytest.raises(TrainingError) as raised:
        trainer.run()
    path = tmp_path / "run/nonfinite/step_2.safetensors"
    assert "epoch 1, step 2" in str(raised.value) and str(path) in str(raised.value)
    assert "not finite: gradient_finite.heads.fc2.bias;" in str(raised.value)
    assert not equal(seen[0], seen[1]), "the step before the bad one is taken"
    assert len(seen) == (4 if fused else 3)  # the lagging check also sees the step after; then once more
    assert equal(seen[1], dict(trainer.net.named_parameters()))
    with safe_open(path, "pt") as file:
        kept = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    wanted = trainer.task.job(0, 1)()
    assert torch.equal(kept["batch.images"], torch.from_numpy(wanted.images))
    assert torch.equal(kept["batch.truth"], torch.from_numpy(wanted.truth))
    assert kept["losses.loss"].isfinite() and bool(kept["gradient_finite.heads.fc1.bias"])
    assert [name for name in kept if "finite" in name and not kept[name]] == [
        "gradient_finite.heads.fc2.bias"
    ]
    assert not (tmp_path / "run/checkpoint").exists()


@pytest.mark.parametrize("room_again", [True, False])
def test_a_full_disk_keeps_the_former_checkpoint_and_the_run_going(
    training_squares, tmp_path, room_again, capfd
):
    values = {name: run_values(training_squares, tmp_path / name) for name in ("whole", "full")}

    def starve():
        trainer = Trainer(parse_config(values["full"]))
        job = trainer.task.job

        def job_and_limit(epoch, step):
            limit = 10_000 if (epoch, step) < (1, 2) or not room_again else resource.RLIM_INFINITY
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            return job(epoch, step)

        trainer.run(max_steps=1)
        trainer.task.job = job_and_limit
        assert room_again is bool(trainer.run())

    code = exit_code(in_a_process(starve))
    told = capfd.readouterr()
    assert "not written: File too large" in told.err and "the former one is kept" in told.err
    assert "MB are free" in told.err and "the log has gaps" in told.err
    assert code == (0 if room_again else 1)
    if not room_again:
        assert CheckpointNotWritten.__name__ in told.err
        assert not list((tmp_path / "full").glob("checkpoint.*"))
        resumed = Trainer(parse_config(values["full"]), resume=True)
        assert resumed.position.step == 1 and resumed.run()
    Trainer(parse_config(values["whole"])).run()
    assert equal(weights(tmp_path / "full"), weights(tmp_path / "whole"))


def test_deterministic_mode(training_squares, tmp_path, monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":1:1")
    with pytest.raises(ConfigError, match="needs CUBLAS_WORKSPACE_CONFIG to be :4096:8 or :16:8.*':1:1'"):
        Trainer(parse_config(run_values(training_squares, tmp_path / "run", deterministic=True)))
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    try:
        for name in ("one", "other"):
            trainer = Trainer(parse_config(run_values(training_squares, tmp_path / name, deterministic=True)))
            assert torch.are_deterministic_algorithms_enabled() and torch.backends.cudnn.deterministic
            assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
            trainer.run(max_steps=2)
        assert equal(weights(tmp_path / "one"), weights(tmp_path / "other"))
    finally:
        Trainer(parse_config(run_values(training_squares, tmp_path / "run")))
    assert not torch.are_deterministic_algorithms_enabled()
