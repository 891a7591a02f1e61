"""Which of several processes this one is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selcon_training.errors import DistributedError
from selcon_training.ranks import ALONE, Ranks, cores_of_rank, own_ranks, require_alone

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_STEP_NUM_TASKS")


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@given(st.lists(st.integers()), st.integers(1, 9))
def test_every_item_is_in_one_share(items, count):
    shares = [Ranks(rank, count).share(items) for rank in range(count)]
    assert sorted(item for share in shares for item in share) == sorted(items)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert [shares[number % count][number // count] for number in range(len(items))] == items


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, ALONE),
        ({"RANK": "2", "WORLD_SIZE": "4"}, Ranks(2, 4)),
        ({"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "3", "SLURM_NTASKS": "3"}, Ranks(1, 3)),
        # A script of sbatch, and a torchrun in a step.
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "3"}, ALONE),
        ({"RANK": "5", "WORLD_SIZE": "8", "SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"}, Ranks(5, 8)),
    ],
)
def test_torchrun_and_srun_say_it(monkeypatch, environment, found):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert own_ranks() == found
    assert own_ranks(0, 2) == Ranks(0, 2)


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"WORLD_SIZE": "2"}, "the environment variable RANK is not set"),
        ({"RANK": "one", "WORLD_SIZE": "2"}, "variable RANK is 'one': it must be a whole number"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, "RANK is 2 and WORLD_SIZE 2: ranks are 0 and more, and below"),
        ({"RANK": "0", "WORLD_SIZE": "0"}, "WORLD_SIZE 0"),
    ],
)
def test_a_rank_that_there_is_not_is_told(monkeypatch, environment, told):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(DistributedError, match=told):
        own_ranks()


def test_rank_and_ranks_belong_together():
    for given_ones in ((0, None), (None, 2)):
        with pytest.raises(DistributedError, match="--rank and --ranks belong together"):
            own_ranks(*given_ones)
    with pytest.raises(DistributedError, match="--rank is 2 and --ranks 2"):
        own_ranks(2, 2)


def test_processes_of_one_machine_share_its_cores(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    assert cores_of_rank() == 8
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert cores_of_rank() == 2


def test_commands_that_are_one_process_say_so(monkeypatch):
    require_alone("selcon dance", "start it alone")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(DistributedError, match="selcon dance is one process, and this is one of 2: start it"):
        require_alone("selcon dance", "start it alone")
