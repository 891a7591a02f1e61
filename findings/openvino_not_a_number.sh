#!/bin/bash
# OpenVINO: NaN, which depth images have where nothing was measured, becomes 0 in a ReLU, and the answer looks sound.
#
# Versions: openvino 2026.4.1, onnxruntime 1.32.0, onnx 1.23.2, numpy 2.4.6, Python 3.11, x86_64.
# Expected: what is computed from NaN is NaN, as in IEEE 754's arithmetic, in PyTorch, in ONNX Runtime and in ONNX's own
#   reference. A depth image of 32FC1 has NaN where the depth is not known (REP 118); a network that was trained or
#   exported badly has it in its weights. NaN in the answer tells of either.
# Happens, without a word: on the CPU, ReLU, Clip and Max are computed by the processor's maximum, which gives the other
#   operand. NaN becomes 0 in them, 1 in HardSigmoid, and infinity in Exp; in Sigmoid and HardSwish it stays. So a
#   network of a convolution, a ReLU, a mean and a Sigmoid answers the same for a picture with a hole and without, and
#   0.50 for one in which no depth is known at all. isnan(answer) finds nothing. It is so with
#   INFERENCE_PRECISION_HINT f32, too. openvinotoolkit/openvino#35649 (open) is about ReLU.
# Seen:
#   Relu of NaN: reference nan, ONNX Runtime nan, OpenVINO 0.00
#   Clip of NaN to 0..6: reference nan, ONNX Runtime nan, OpenVINO 0.00
#   Max of NaN and 0: reference nan, ONNX Runtime nan, OpenVINO 0.00
#   HardSigmoid of NaN: reference nan, ONNX Runtime nan, OpenVINO 1.00
#   Exp of NaN: reference nan, ONNX Runtime nan, OpenVINO inf
#   Sigmoid of NaN: reference nan, ONNX Runtime nan, OpenVINO nan
#   network, depth everywhere: reference 0.71, ONNX Runtime 0.71, OpenVINO 0.71
#   network, one pixel without: reference nan, ONNX Runtime nan, OpenVINO 0.71
#   network, none known: reference nan, ONNX Runtime nan, OpenVINO 0.50
# To do: look for NaN in the input, before OpenVINO is given it, and in the weights of a model when it is exported. Who
#   looks for NaN in the answers to check a model runs it in ONNX Runtime.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install openvino==2026.4.1 onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cat > "$folder/run.py" <<'PY'
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

CORE = openvino.Core()
NAN = np.float32("nan")
node = helper.make_node


def answers(picture, nodes, weights=()):
    """The first number that each of three programs answers, in text, for a model of nodes from x to y."""
    made = helper.make_tensor_value_info
    x, y = made("x", TensorProto.FLOAT, picture.shape), made("y", TensorProto.FLOAT, [None] * picture.ndim)
    tensors = [numpy_helper.from_array(value, name) for name, value in weights]
    graph = helper.make_graph(nodes, "model", [x], [y], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    stored = model.SerializeToString()
    session = onnxruntime.InferenceSession(stored, providers=["CPUExecutionProvider"])
    compiled = CORE.compile_model(CORE.read_model(stored), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = {
        "reference": ReferenceEvaluator(model).run(None, {"x": picture})[0],
        "ONNX Runtime": session.run(None, {"x": picture})[0],
        "OpenVINO": compiled({"x": picture})[0],
    }
    return ", ".join(f"{name} {np.asarray(value).flat[0]:.2f}" for name, value in found.items())


unknown = np.full((1, 1, 8, 8), NAN)
limits = [("low", np.float32(0)), ("high", np.float32(6))]
for name, one, weights in (
    ("Relu of NaN", node("Relu", ["x"], ["y"]), []),
    ("Clip of NaN to 0..6", node("Clip", ["x", "low", "high"], ["y"]), limits),
    ("Max of NaN and 0", node("Max", ["x", "low"], ["y"]), limits[:1]),
    ("HardSigmoid of NaN", node("HardSigmoid", ["x"], ["y"]), []),
    ("Exp of NaN", node("Exp", ["x"], ["y"]), []),
    ("Sigmoid of NaN", node("Sigmoid", ["x"], ["y"]), []),
):
    print(f"{name}: {answers(unknown, [one], weights)}")

network = [
    node("Conv", ["x", "w", "b"], ["a"], pads=[1, 1, 1, 1]),
    node("Relu", ["a"], ["r"]),
    node("GlobalAveragePool", ["r"], ["m"]),
    node("Sigmoid", ["m"], ["y"]),
]
weights = [("w", np.full((1, 1, 3, 3), 1 / 9, np.float32)), ("b", np.array([0.1], np.float32))]
depth = np.full((1, 1, 48, 64), 0.8, np.float32)  # metres
hole = depth.copy()
hole[0, 0, 20, 30] = NAN
for name, picture in (("depth everywhere", depth), ("one pixel without", hole), ("none known", depth * NAN)):
    print(f"network, {name}: {answers(picture, network, weights)}")
PY
"$folder/venv/bin/python" "$folder/run.py" 2>/dev/null | tee "$folder/seen"
both="reference nan, ONNX Runtime nan"
for name in "Relu of NaN" "Clip of NaN to 0..6" "Max of NaN and 0"; do
  grep -qxF "$name: $both, OpenVINO 0.00" "$folder/seen"
done
grep -qxF "HardSigmoid of NaN: $both, OpenVINO 1.00" "$folder/seen"
grep -qxF "Exp of NaN: $both, OpenVINO inf" "$folder/seen"
grep -qxF "Sigmoid of NaN: $both, OpenVINO nan" "$folder/seen"
grep -qxF "network, depth everywhere: reference 0.71, ONNX Runtime 0.71, OpenVINO 0.71" "$folder/seen"
grep -qxF "network, one pixel without: $both, OpenVINO 0.71" "$folder/seen"
grep -qxF "network, none known: $both, OpenVINO 0.50" "$folder/seen"
