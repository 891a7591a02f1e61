#!/bin/bash
# ONNX Runtime: an array in the other byte order is taken with the bytes of each value reversed, without an error.
#
# Versions: onnxruntime 1.32.0, openvino 2026.4.1, onnx 1.23.2, numpy 2.4.6, Python 3.11 on a little-endian processor.
# Expected: two arrays that numpy calls equal give the same answer. The byte order is a part of a numpy array's type:
#   one that does not fit is converted, as another memory layout is, or refused, as another type is.
# Happens: InferenceSession.run looks at numpy's number of the type, which says nothing of the byte order (its C source
#   takes PyArray_TYPE and PyArray_DATA). Depth of 0.75 m reaches the model as 2e-41. So it is with bind_cpu_input and
#   OrtValue.ortvalue_from_numpy, and with openvino.Tensor. A model that OpenVINO compiled, called with the array,
#   converts it, with share_inputs, too; onnx.numpy_helper refuses it, and so does torch.from_numpy.
#   Such arrays are what numpy.load gives of a .npy file that was written so, what programs that read PFM files by
#   numpy.fromfile give of a big-endian one, and what readers of astronomers' files (FITS) give.
# Seen (what a model that turns its input into float64 answers for the same array in either byte order):
#   float32, InferenceSession.run: 0.75; 2.30472e-41
#   float32, OrtValue.ortvalue_from_numpy: 0.75; 2.30472e-41
#   float32, OpenVINO: 0.75; 0.75
#   float32, openvino.Tensor: 0.75; 2.30472e-41
#   float32, onnx.numpy_helper: 0.75; refused
#   uint16, InferenceSession.run: 1000; 59395
#   uint16, OrtValue.ortvalue_from_numpy: 1000; 59395
#   uint16, OpenVINO: 1000; 1000
#   uint16, openvino.Tensor: 1000; 59395
#   uint16, onnx.numpy_helper: 1000; refused
# To do: give array.astype(array.dtype.newbyteorder("="), copy=False), or numpy.asarray(array, numpy.float32), which
#   converts it as well.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export ORT_DISABLE_TELEMETRY=1
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install --no-compile onnxruntime==1.32.0 openvino==2026.4.1 onnx==1.23.2 numpy==2.4.6
cat > "$folder/run.py" <<'PY'
import numpy as np
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper


def model(kind):
    given = helper.make_tensor_value_info("x", kind, [1])
    answer = helper.make_tensor_value_info("y", TensorProto.DOUBLE, [1])
    cast = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.DOUBLE)
    graph = helper.make_graph([cast], "cast", [given], [answer])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


def initializer(array):
    try:
        return numpy_helper.to_array(numpy_helper.from_array(array))[0]
    except ValueError:
        return None


for kind, native in {
    TensorProto.FLOAT: np.array([0.75], np.float32),
    TensorProto.UINT16: np.array([1000], np.uint16),
}.items():
    swapped = native.astype(native.dtype.newbyteorder())
    assert np.array_equal(native, swapped) and np.asarray(swapped, native.dtype).dtype.isnative
    session = onnxruntime.InferenceSession(model(kind), providers=["CPUExecutionProvider"])
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model(kind)), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for name, ask in {
        "InferenceSession.run": lambda array: session.run(None, {"x": array})[0][0],
        "OrtValue.ortvalue_from_numpy": lambda array: session.run_with_ort_values(
            None, {"x": onnxruntime.OrtValue.ortvalue_from_numpy(array)}
        )[0].numpy()[0],
        "OpenVINO": lambda array: compiled(array)[0][0],
        "openvino.Tensor": lambda array: compiled(openvino.Tensor(array))[0][0],
        "onnx.numpy_helper": initializer,
    }.items():
        found = [ask(array) for array in (native, swapped)]
        words = "; ".join("refused" if each is None else f"{each:g}" for each in found)
        print(f"{native.dtype}, {name}: {words}")
PY
"$folder/venv/bin/python" "$folder/run.py" | tee "$folder/seen"
grep -qxF "float32, InferenceSession.run: 0.75; 2.30472e-41" "$folder/seen"
grep -qxF "float32, OrtValue.ortvalue_from_numpy: 0.75; 2.30472e-41" "$folder/seen"
grep -qxF "float32, OpenVINO: 0.75; 0.75" "$folder/seen"
grep -qxF "float32, openvino.Tensor: 0.75; 2.30472e-41" "$folder/seen"
grep -qxF "float32, onnx.numpy_helper: 0.75; refused" "$folder/seen"
grep -qxF "uint16, InferenceSession.run: 1000; 59395" "$folder/seen"
grep -qxF "uint16, OrtValue.ortvalue_from_numpy: 1000; 59395" "$folder/seen"
grep -qxF "uint16, OpenVINO: 1000; 1000" "$folder/seen"
grep -qxF "uint16, openvino.Tensor: 1000; 59395" "$folder/seen"
grep -qxF "uint16, onnx.numpy_helper: 1000; refused" "$folder/seen"
