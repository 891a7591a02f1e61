"""Training on two hosts, which share the data and nothing else."""

import json
import re
import signal
import time
from pathlib import Path

import psutil
import pytest
import torch

from selcon_training.config import parse_config
from selcon_training.training.run_folder import checkpoint_folder, read_state
from selcon_training.training.trainer import Trainer
from support import hosts
from support.runs import assert_same_runs, assert_same_weights, dense, pyramid, weak
from support.squares import squares_of

pytestmark = hosts.needs_hosts
SCRIPT = Path(__file__).parent.parent / "support" / "selcon_with_small_clip.py"
PATIENCE = 300


squares = squares_of(small_clip=True, train=10, val=3, negatives=3)


@pytest.fixture
def pair(tmp_path):
    own = [tmp_path / "of_a", tmp_path / "of_b"]
    runs = tmp_path / "runs"
    for folder in (*own, runs):
        folder.mkdir()
    with hosts.two_hosts(runs, own) as both:
        yield runs, own, both


def written(values, path):
    path.write_text(json.dumps(values))
    return path


def ended(processes):
    """Their exit codes and what they printed."""
    deadline = time.monotonic() + PATIENCE
    found = [process.communicate(timeout=max(1.0, deadline - time.monotonic()))[0] for process in processes]
    return [process.returncode for process in processes], found


def worker(process):
    """The training process that a torchrun has started."""
    for child in psutil.Process(process.pid).children(recursive=True):
        if str(SCRIPT) in child.cmdline() and "torch.distributed.run" not in child.cmdline():
            return child
    raise AssertionError("torchrun runs no worker")


def wait_for_checkpoint(output, process):
    deadline = time.monotonic() + PATIENCE
    while not (output / "checkpoint").is_dir():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()[0]
        time.sleep(0.05)


@pytest.mark.long  # with one host: test_distributed.py; that two give what one gives: below, too
@pytest.mark.parametrize("kind", [weak, dense, pyramid])
def test_two_hosts_give_what_one_process_gives(squares, pair, tmp_path, kind):
    runs, own, both = pair
    config = written(kind(squares, runs / "run"), tmp_path / "run.yaml")
    codes, printed = ended([host.torchrun(SCRIPT, "train", config) for host in both])
    assert codes == [0, 0], printed
    Trainer(parse_config(kind(squares, tmp_path / "one"))).run()
    assert_same_runs(own[0] / "run", tmp_path / "one")
    assert list(own[1].iterdir()) == []  # only the first process writes


@pytest.mark.parametrize("lost", [pytest.param(0, marks=pytest.mark.long), 1])
def test_a_lost_process_ends_all_with_its_name_and_they_resume(squares, pair, tmp_path, lost):
    runs, own, both = pair
    values = dense(squares, runs / "run") | {"checkpoint": {"every_steps": 1}}
    values["schedule"] |= {"epochs": 40, "rate": "constant"}
    config = written(values, tmp_path / "run.yaml")
    started = [host.torchrun(SCRIPT, "train", config) for host in both]
    wait_for_checkpoint(own[0] / "run", started[0])
    worker(started[lost]).send_signal(signal.SIGKILL)
    codes, printed = ended(started)
    assert 0 not in codes
    if lost == 0:  # torchrun ends with it, and the other process sees no more of it
        assert "Error: rank 0 on host-a is lost: the connection to it has ended" in printed[1]
    else:
        assert "Error: rank 1 on host-b is lost: no sign of life" in printed[0]
    assert "start all processes again with --resume" in printed[1 - lost]
    assert "Traceback" not in printed[1 - lost].partition("Error: ")[0]
    state = read_state(checkpoint_folder(own[0] / "run"), torch.device("cpu"))
    until = values["schedule"]["epochs"] = state["epoch"] + 2
    again = [host.torchrun(SCRIPT, "train", written(values, config), "--resume") for host in both]
    codes, printed = ended(again)
    assert codes == [0, 0], printed
    assert list(own[1].iterdir()) == []
    whole = dense(squares, tmp_path / "whole")
    whole["schedule"] |= {"epochs": until, "rate": "constant"}
    Trainer(parse_config(whole)).run()
    assert_same_weights(own[0] / "run", tmp_path / "whole")


@pytest.mark.long
def test_a_cut_cable_ends_both_in_time_each_naming_the_other(squares, pair, tmp_path):
    runs, own, both = pair
    values = dense(squares, runs / "run") | {"checkpoint": {"every_steps": 1}}
    values["schedule"] |= {"epochs": 400}
    config = written(values, tmp_path / "run.yaml")
    started = [host.torchrun(SCRIPT, "train", config, SILENCE_OF_TESTS="10") for host in both]
    wait_for_checkpoint(own[0] / "run", started[0])
    both[0].do("ip", "link", "set", "cable", "down")
    codes, printed = ended(started)
    assert codes == [1, 1], printed
    assert re.search(r"Error: rank 1 on host-b is lost: no sign of life for \d+ s", printed[0])
    assert re.search(r"Error: rank 0 on host-a is lost: it has not answered for \d+ s", printed[1])
    assert read_state(checkpoint_folder(own[0] / "run"), torch.device("cpu"))["epoch"] >= 0
