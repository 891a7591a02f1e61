"""Memory that a step frees is there for the next one."""

import subprocess
import sys

import pytest

# In a process of its own: what other tests have set holds for all that comes after them.
CODE = """
import resource
import torch
from selcon_training.training.memory import keep_freed_memory

torch.set_num_threads(1)
assert {keep} is False or keep_freed_memory()
for _ in range(8):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        torch.ones(16 << 20)
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / ((64 << 20) // resource.getpagesize()))
"""


@pytest.mark.parametrize("keep", [False, True])
def test_large_tensors_do_not_cost_new_pages_every_time(keep: bool) -> None:
    done = subprocess.run([sys.executable, "-c", CODE.format(keep=keep)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pages = float(done.stdout)
    assert pages < 0.1 if keep else pages > 1
