#!/bin/bash
# OpenVINO: max pools of ONNX models that round up can get a row and a column of -3.4e38; averages are too low.
#
# Versions: openvino 2026.4.1, onnxruntime 1.32.0, onnx 1.23.2, numpy 2.4.6, Python 3.11, x86_64.
# Expected: ONNX's MaxPool and AveragePool with ceil_mode=1: "Sliding windows that would start in the right padded
#   region are ignored". So it is in PyTorch, of whose MaxPool2d(2, padding=1, ceil_mode=True) such nodes are made. For
#   count_include_pad=1, PyTorch's default, what is padded counts, and what lies behind the padding does not.
# Happens, without a word: OpenVINO can round so (ceil_torch of its MaxPool-14), but a max pool that it reads from ONNX
#   keeps those windows. No pixel lies in them: they get the lowest number there is, and the answer is larger than the
#   model's shape inference says. A mean over it is about -1e38. With other sizes of the picture nothing is wrong.
#   AveragePool has the right size, but divides the sum of a window that reaches behind the padding by the full 9.
#   When OpenVINO converts the PyTorch model itself, max pools are right, and averages too low as well.
#   openvinotoolkit/openvino#18731 tells of the same in OpenVINO's own operator, and is closed.
# Seen (pools of pictures that are 1 everywhere, with a padding of 1):
#   MaxPool 2, stride 2, of 5 x 7, inferred 3 x 4
#     reference 3 x 4, mean 1; ONNX Runtime 3 x 4, mean 1; OpenVINO 4 x 5, mean -1.36e+38
#   MaxPool 2, stride 2, of 6 x 8, inferred 4 x 5
#     reference 4 x 5, mean 1; ONNX Runtime 4 x 5, mean 1; OpenVINO 4 x 5, mean 1
#   MaxPool 3, stride 3, of 5 x 8, inferred 2 x 3
#     reference 2 x 3, mean 1; ONNX Runtime 2 x 3, mean 1; OpenVINO 3 x 4, mean -1.7e+38
#   AveragePool 3, stride 2, of 6 x 8, inferred 4 x 5
#     reference 4 x 5, mean 0.66; ONNX Runtime 4 x 5, mean 0.66; OpenVINO 4 x 5, mean 0.6
# To do: compare the shape and the values of an answer with ONNX Runtime's, for each size of picture that is used. Give
#   the model pictures of a size for which nothing is rounded, or export it without ceil_mode.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install openvino==2026.4.1 onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cat > "$folder/pools.py" <<'PY'
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

CORE = openvino.Core()


def told(answer):
    return f"{answer.shape[2]} x {answer.shape[3]}, mean {answer.astype(np.float64).mean():.3g}"


for name, kernel, stride, height, width, options in (
    ("MaxPool", 2, 2, 5, 7, {}),
    ("MaxPool", 2, 2, 6, 8, {}),
    ("MaxPool", 3, 3, 5, 8, {}),
    ("AveragePool", 3, 2, 6, 8, {"count_include_pad": 1}),
):
    options |= {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [1] * 4, "ceil_mode": 1}
    made = helper.make_tensor_value_info
    x, y = made("x", TensorProto.FLOAT, [1, 1, height, width]), made("y", TensorProto.FLOAT, [None] * 4)
    graph = helper.make_graph([helper.make_node(name, ["x"], ["y"], **options)], "pool", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model).graph.output[0].type.tensor_type.shape.dim
    stored = model.SerializeToString()
    picture = np.ones((1, 1, height, width), np.float32)
    session = onnxruntime.InferenceSession(stored, providers=["CPUExecutionProvider"])
    compiled = CORE.compile_model(CORE.read_model(stored), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    size = f"inferred {inferred[2].dim_value} x {inferred[3].dim_value}"
    print(f"{name} {kernel}, stride {stride}, of {height} x {width}, {size}")
    print(
        f"  reference {told(ReferenceEvaluator(model).run(None, {'x': picture})[0])}; "
        f"ONNX Runtime {told(session.run(None, {'x': picture})[0])}; OpenVINO {told(compiled({'x': picture})[0])}"
    )
PY
"$folder/venv/bin/python" "$folder/pools.py" | tee "$folder/seen"
is() {
  grep -xF -A 1 "$1, inferred $2" "$folder/seen" |
    grep -qxF "  reference $2, mean $3; ONNX Runtime $2, mean $3; OpenVINO $4"
}
is "MaxPool 2, stride 2, of 5 x 7" "3 x 4" 1 "4 x 5, mean -1.36e+38"
is "MaxPool 2, stride 2, of 6 x 8" "4 x 5" 1 "4 x 5, mean 1"
is "MaxPool 3, stride 3, of 5 x 8" "2 x 3" 1 "3 x 4, mean -1.7e+38"
is "AveragePool 3, stride 2, of 6 x 8" "4 x 5" 0.66 "4 x 5, mean 0.6"
