#!/bin/bash
# torch.distributed with gloo: the maximum of 0, NaN, 2 and 3 is 0; it is NaN only where the first process has the NaN.
#
# Versions: torch 2.13.0, Python 3.11, Linux x86_64.
# Expected: all_reduce with MAX answers as torch.maximum does with the processes' tensors ("If one of the elements being
#   compared is a NaN, then that element is returned"), or else leaves NaN out. Either way it does not matter which
#   process has it.
# Happens: gloo compares by std::max(x, y), which is y only where x < y. A NaN that is y is lost, and one that is x
#   stays, and y is lost. Which is which follows from the ring in which a tensor's parts go around. Of single values,
#   the NaN of process 0 arrives and no other. Where another has it, the processes after it are lost with it: what is
#   left is the maximum of those before it. A tensor that is NaN throughout in one process is NaN in one part
#   afterwards, which is a quarter with four processes. All processes get the same, so none of them can tell. MIN does
#   alike, in float16, bfloat16, float32 and float64; SUM gives NaN. A loss that is not finite in one process can so be
#   missed in all.
# Seen (four processes whose values are 0, 1, 2 and 3, but NaN in one of them):
#   torch.maximum: nan wherever it is
#   NaN in process 0: MAX nan, SUM nan; MAX of 8 values nan nan 3 3 3 3 3 3
#   NaN in process 1: MAX 0, SUM nan; MAX of 8 values 0 0 nan nan 3 3 3 3
#   NaN in process 2: MAX 1, SUM nan; MAX of 8 values 1 1 1 1 nan nan 3 3
#   NaN in process 3: MAX 2, SUM nan; MAX of 8 values 2 2 2 2 2 2 nan nan
# To do: add up (SUM) whether each is finite, or the values themselves; for a maximum without the NaN, give each
#   process's value after nan_to_num.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export GLOO_SOCKET_IFNAME=lo
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install --no-compile torch==2.13.0 'numpy<3'
cat > "$folder/maximum.py" <<'PY'
import functools
import sys

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

PROCESSES = 4


def value(process, has_nan, count):
    return torch.full((count,), float("nan") if process == has_nan else float(process))


def run(process, store):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=process, world_size=PROCESSES)
    for has_nan in range(PROCESSES):
        found = []
        for operation, count in ((dist.ReduceOp.MAX, 1), (dist.ReduceOp.SUM, 1), (dist.ReduceOp.MAX, 8)):
            tensor = value(process, has_nan, count)
            dist.all_reduce(tensor, operation)
            found.append(" ".join(f"{each:g}" for each in tensor.tolist()))
        everywhere = [None] * PROCESSES
        dist.all_gather_object(everywhere, found)
        assert everywhere == [found] * PROCESSES
        if process == 0:
            one, total, eight = found
            print(f"NaN in process {has_nan}: MAX {one}, SUM {total}; MAX of 8 values {eight}", flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    for has_nan in range(PROCESSES):
        values = [value(process, has_nan, 8) for process in range(PROCESSES)]
        assert functools.reduce(torch.maximum, values).isnan().all()
    print("torch.maximum: nan wherever it is", flush=True)
    mp.spawn(run, (sys.argv[1],), PROCESSES)
PY
"$folder/venv/bin/python" "$folder/maximum.py" "$folder/store" 2> "$folder/errors" | tee "$folder/seen" \
  || { cat "$folder/errors" >&2; exit 1; }
grep -qxF "torch.maximum: nan wherever it is" "$folder/seen"
grep -qxF "NaN in process 0: MAX nan, SUM nan; MAX of 8 values nan nan 3 3 3 3 3 3" "$folder/seen"
grep -qxF "NaN in process 1: MAX 0, SUM nan; MAX of 8 values 0 0 nan nan 3 3 3 3" "$folder/seen"
grep -qxF "NaN in process 2: MAX 1, SUM nan; MAX of 8 values 1 1 1 1 nan nan 3 3" "$folder/seen"
grep -qxF "NaN in process 3: MAX 2, SUM nan; MAX of 8 values 2 2 2 2 2 2 nan nan" "$folder/seen"
