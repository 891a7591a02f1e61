"""Memory that a step frees is there for the next one."""

import subprocess
import sys

# In a process of its own: what other tests have set holds for all that comes after them. Tensors above 32 MiB
# go back to the system one by one, whatever glibc has seen before.
CODE = """
import resource
import statistics
import torch
from selcon_training.training.memory import keep_freed_memory

torch.set_num_threads(1)

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def pages():
    rounds = []
    for _ in range(7):
        before = faults()
        for _ in range(4):
            torch.ones(10 << 20)
        rounds.append((faults() - before) / ((40 << 20) // resource.getpagesize()))
    # Now and then a small object takes the place of one of the four.
    return statistics.median(rounds[2:])

print(pages())
assert keep_freed_memory()
print(pages())
"""


def test_large_tensors_do_not_cost_new_pages_every_time() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    without, kept = map(float, done.stdout.split())
    assert without > 1 and kept < 0.1
