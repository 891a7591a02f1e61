#!/bin/bash
# OpenVINO on a CPU with AMX: a model in fp32 is computed in bf16 by openvino, in fp32 by onnxruntime-openvino.
#
# Versions: openvino 2026.4.1; onnxruntime-openvino 1.24.1; numpy 2.4.6, onnx 1.23.2, Python 3.11, Linux x86_64.
#   Needs a CPU with AMX (flag amx_bf16 in /proc/cpuinfo).
# Expected: without an option, a graph of float32 weights, inputs and outputs is computed in float32, and one plugin
#   gives one answer for one file, whichever library opens it.
# Happens: openvino takes bfloat16 by default where the processor has it. The error of one product of matrices grows
#   from 1e-6 to 2e-3 of the largest value. The same file in ONNX Runtime's OpenVINO provider, with its defaults, has
#   the error of float32. On a CPU without bfloat16 instructions the default is float32 in both, so a model that was
#   compared with its reference on one machine is another one on the next. float16, which must be asked for, takes
#   AVX512-FP16 on such a CPU and is more exact than the default.
# Seen (the largest error over the largest value):
#   openvino, no option: bf16, error 2.3e-03
#   openvino, f16: f16, error 3.6e-04
#   openvino, f32: f32, error 6.4e-07
#   onnxruntime-openvino, no option: error 6.4e-07
# To do: set INFERENCE_PRECISION_HINT (or EXECUTION_MODE_HINT: ACCURACY) where answers are compared, and read the
#   property back from the compiled model: it says what was taken.
set -euo pipefail
if ! grep -qw amx_bf16 /proc/cpuinfo; then
    echo "this CPU has no AMX (amx_bf16 in /proc/cpuinfo): nothing to show here" >&2
    exit 2
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export ORT_DISABLE_TELEMETRY=1
cat > "$folder/product.py" <<'PY'
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper

rng = np.random.default_rng(0)
weights = (rng.standard_normal((512, 512)) / 512**0.5).astype(np.float32)
image = rng.standard_normal((64, 512)).astype(np.float32)
exact = image.astype(np.float64) @ weights
value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [64, 512]) for name in "xy"]
product = helper.make_node("MatMul", ["x", "w"], ["y"])
graph = helper.make_graph([product], "product", value[:1], value[1:], [numpy_helper.from_array(weights, "w")])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


def error(found):
    return f"error {np.abs(found - exact).max() / np.abs(exact).max():.1e}"


if sys.argv[1] == "openvino":
    import openvino

    core = openvino.Core()

    for name, options in {
        "no option": {},
        "f16": {"INFERENCE_PRECISION_HINT": "f16"},
        "f32": {"INFERENCE_PRECISION_HINT": "f32"},
    }.items():
        compiled = core.compile_model(core.read_model(model), "CPU", options)
        taken = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        print(f"openvino, {name}: {taken}, {error(compiled(image)[0])}")
else:
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["OpenVINOExecutionProvider"])
    assert session.get_providers()[0] == "OpenVINOExecutionProvider"
    print(f"onnxruntime-openvino, no option: {error(session.run(None, {'x': image})[0])}")
PY
for library in openvino==2026.4.1 onnxruntime-openvino==1.24.1; do
    "${PYTHON:-python3}" -m venv --clear "$folder/venv"
    "$folder/venv/bin/pip" -q install --no-compile "$library" numpy==2.4.6 onnx==1.23.2
    "$folder/venv/bin/python" "$folder/product.py" "${library%%==*}" | tee -a "$folder/seen"
done
grep -qE "^openvino, no option: bf16, error [0-9.]+e-03$" "$folder/seen"
grep -qE "^openvino, f16: f16, error [0-9.]+e-04$" "$folder/seen"
grep -qE "^openvino, f32: f32, error [0-9.]+e-07$" "$folder/seen"
grep -qE "^onnxruntime-openvino, no option: error [0-9.]+e-07$" "$folder/seen"
