#!/usr/bin/env python3
"""Measure rendered views per CPU second (user and system time) of checkouts of this repository, in turns.

git worktree add /tmp/before 44d5d0d
MUJOCO_GL=osmesa python tools/bench_rendering.py /tmp/before . --rounds 3

Each round renders the same share of every split of each checkout's own default mix, files included, in a
process of its own; imports and the first scene of each image size are not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

MEASURE_SCRIPT = """
import json, resource, sys
from pathlib import Path
try:
    from selcon_tabletop import dataset
except ModuleNotFoundError:  # a checkout from before 0.2.0
    from selcon_training.tabletop import dataset

def seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime

render = getattr(dataset, "render_scene", None) or dataset._render_scene
share, start, only, out = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
for size in {split.size: split for split in dataset.splits()}.values():
    render(out, size, size.scenes + 1, 0)
found = {}
for split in dataset.splits():
    if only and split.name not in only.split(","):
        continue
    count = max(1, round(share * split.scenes))
    before = seconds()
    for index in range(count):
        render(out, split, (start + index) % split.scenes, 0)
    found[split.name] = (count * split.views, seconds() - before)
print(json.dumps(found))
"""


def measure(root: Path, share: float, start: int, only: str) -> dict[str, tuple[int, float]]:
    """Return views and CPU seconds of each split of a checkout."""
    environment = {
        "OMP_NUM_THREADS": "1",
        "MUJOCO_GL": "osmesa",
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(root / "training"), str(root))),
    }
    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run(
            [sys.executable, "-c", MEASURE_SCRIPT, str(share), str(start), only, out],
            env=environment,
            cwd=out,
            check=True,
            capture_output=True,
            text=True,
        )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Read the arguments, render in turns and print the table."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("checkouts", nargs="+", type=Path)
    parser.add_argument("--share", type=float, default=0.01, help="of each split's scenes, a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="names of splits, with commas")
    options = parser.parse_args()
    rates: dict[Path, list[float]] = {root: [] for root in options.checkouts}
    for number in range(options.rounds):
        for root in options.checkouts:
            found = measure(root.resolve(), options.share, 100 * number, options.only)
            views, seconds = (sum(each[i] for each in found.values()) for i in (0, 1))
            rates[root].append(views / seconds)
            splits = ", ".join(f"{name} {1000 * cpu / count:.0f}" for name, (count, cpu) in found.items())
            print(f"{root}: {views / seconds:.1f} views a CPU second (ms a view: {splits})", flush=True)
    first = statistics.median(rates[options.checkouts[0]])
    for root, values in rates.items():
        median = statistics.median(values)
        print(f"{root}: median {median:.1f} views a CPU second, {median / first:.2f} of the first")


if __name__ == "__main__":
    main()
