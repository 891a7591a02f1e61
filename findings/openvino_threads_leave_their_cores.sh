#!/bin/bash
# OpenVINO: threads that a pinned thread starts run on all cores of the process's main thread.
#
# Versions: openvino 2026.4.1, numpy 2.4.6, onnx 1.23.2, Python 3.11, Linux x86_64. Needs two cores.
# Expected: on Linux a new thread inherits the cores of the thread that starts it. A program that pins the thread in
#   which it compiles and runs a model keeps the engine off the other cores; so it is with ONNX Runtime.
# Happens: each worker thread of TBB sets its cores to those of the process's main thread, whichever thread started
#   it, also where ENABLE_CPU_PINNING is off. With one thread for inference there are no workers, and all is kept.
# Seen:
#   1 thread: cores of new threads 1
#   2 threads: cores of new threads 1 and all
# To do: pin the whole process (taskset) before OpenVINO is first used, or use one thread.
set -euo pipefail
if [ "$(nproc)" -lt 2 ]; then
    echo "this process has one core: nothing to show here" >&2
    exit 2
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install openvino==2026.4.1 numpy==2.4.6 onnx==1.23.2
cat > "$folder/threads.py" <<'PY'
import os
import sys
import threading
from pathlib import Path

sys.modules["openvino_telemetry"] = None
import numpy as np  # noqa: E402
import openvino  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

count, cores = int(sys.argv[1]), os.sched_getaffinity(0)
rng = np.random.default_rng(0)
value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [512, 512]) for name in "xy"]
weights = numpy_helper.from_array(rng.standard_normal((512, 512)).astype(np.float32), "w")
product = helper.make_node("MatMul", ["x", "w"], ["y"])
graph = helper.make_graph([product], "product", value[:1], value[1:], [weights])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


def tasks():
    return {int(each.name) for each in Path("/proc/self/task").iterdir()}


def work():
    os.sched_setaffinity(0, {min(cores)})
    before = tasks()
    core = openvino.Core()
    options = {"INFERENCE_NUM_THREADS": count, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False}
    compiled = core.compile_model(core.read_model(model), "CPU", options)
    for _ in range(20):
        compiled(np.ones((512, 512), np.float32))
    found = {len(os.sched_getaffinity(each)) for each in tasks() - before}
    told = " and ".join("all" if each == len(cores) else str(each) for each in sorted(found))
    print(f"{count} thread{'s' if count > 1 else ''}: cores of new threads {told}")


thread = threading.Thread(target=work)
thread.start()
thread.join()
PY
for count in 1 2; do
    "$folder/venv/bin/python" "$folder/threads.py" "$count" | tee -a "$folder/seen"
done
grep -qx "1 thread: cores of new threads 1" "$folder/seen"
grep -qx "2 threads: cores of new threads 1 and all" "$folder/seen"
