"""The process that times one kind of training step: `python -m benchmarks.training_worker`.

It answers every number on its standard input with a line of JSON: the seconds of as many steps, and the peak
memory so far.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from benchmarks.training_steps import authors_step, own_step


def main(kind: str, folder: Path, device: str, threads: int, clone: Path) -> None:
    """Serve until the input ends. One thread on a CPU is timed by the time that it spends running, so that
    other programs count less; everything else by the clock.
    """
    import torch

    torch.set_num_threads(threads)
    step = authors_step(clone, device) if kind == "authors" else own_step(folder, device, kind == "stored")
    clock = time.process_time if device == "cpu" and threads == 1 else time.perf_counter
    print(json.dumps({"ready": kind}), flush=True)
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            start = clock()
            step()  # its loss comes to the CPU last: the device has done it
            seconds.append(clock() - start)
        if device == "cpu":
            peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        else:
            peak = torch.cuda.max_memory_allocated()
        print(json.dumps({"seconds": seconds, "peak_bytes": peak}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), Path(sys.argv[5]))
