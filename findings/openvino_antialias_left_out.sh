#!/bin/bash
# OpenVINO: a model that shrinks its picture with anti-aliasing does so without it, and thin lines vanish.
#
# Versions: openvino 2026.4.1, onnxruntime 1.32.0, onnx 1.23.2, pillow 13.0.0, numpy 2.4.6, Python 3.11, x86_64.
# Expected: ONNX's Resize with antialias=1 "will use an antialiasing filter when downscaling", so that "more input
#   pixels contribute to an output pixel". That is what Pillow does by default, and what PyTorch's and torchvision's
#   antialias=True is exported as. An engine that cannot do it refuses the model, as OpenVINO does with other modes.
# Happens, without a word: OpenVINO reads the attribute, and its Interpolate node has antialias True. But its CPU plugin
#   computes as if it were False: each pixel is made of the two rows and columns around its middle (cubic: of four).
#   Shrunk by four, half of the columns are in no linear answer. A line one pixel wide is gone, or more than twice as
#   bright, depending on where it lies. The same PyTorch model (2.13, interpolate with antialias=True) is right when
#   OpenVINO converts it itself, without ONNX. openvinotoolkit/openvino#35893 (open) is about cubic.
# Seen (brightness of a white line one pixel wide in the shrunk picture, where it is brightest):
#   linear, line at column 20: Pillow 0.156, ONNX Runtime 0.156, OpenVINO 0.000
#   linear, line at column 21: Pillow 0.219, ONNX Runtime 0.219, OpenVINO 0.500
#   cubic, line at column 20: Pillow 0.182, ONNX Runtime 0.182, OpenVINO 0.000
#   cubic, line at column 21: Pillow 0.241, ONNX Runtime 0.241, OpenVINO 0.562
#   OpenVINO's node: antialias True
#   by OpenVINO's RESIZE_BILINEAR_PILLOW: column 20 0.156, column 21 0.219
# To do: shrink the picture before the model; or have OpenVINO's PrePostProcessor do it with RESIZE_BILINEAR_PILLOW; or
#   give the PyTorch model to openvino.convert_model.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install openvino==2026.4.1 onnxruntime==1.32.0 onnx==1.23.2 pillow==13.0.0 numpy==2.4.6
cat > "$folder/shrink.py" <<'PY'
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper
from openvino.preprocess import PrePostProcessor, ResizeAlgorithm
from PIL import Image

HEIGHT, WIDTH, FACTOR = 16, 48, 4
SMALL = (HEIGHT // FACTOR, WIDTH // FACTOR)
CORE = openvino.Core()


def line(column):
    """A black picture with a white line."""
    picture = np.zeros((HEIGHT, WIDTH), np.float32)
    picture[:, column] = 1
    return picture


def brightest(small):
    return f"{np.asarray(small)[SMALL[0] // 2].max():.3f}"


def shrinker(mode):
    """A model of one node."""
    scales = numpy_helper.from_array(np.array([1, 1, 1 / FACTOR, 1 / FACTOR], np.float32), "scales")
    options = {"coordinate_transformation_mode": "pytorch_half_pixel", "antialias": 1}
    if mode == "cubic":
        options |= {"cubic_coeff_a": -0.5, "exclude_outside": 1}  # Pillow's and PyTorch's filter
    node = helper.make_node("Resize", ["x", "", "scales"], ["y"], mode=mode, **options)
    made = helper.make_tensor_value_info
    x, y = made("x", TensorProto.FLOAT, [1, 1, HEIGHT, WIDTH]), made("y", TensorProto.FLOAT, [1, 1, *SMALL])
    graph = helper.make_graph([node], "shrink", [x], [y], [scales])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def compiled(model):
    return CORE.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


for mode, pillow in (("linear", Image.Resampling.BILINEAR), ("cubic", Image.Resampling.BICUBIC)):
    stored = shrinker(mode)
    read = CORE.read_model(stored)
    session = onnxruntime.InferenceSession(stored, providers=["CPUExecutionProvider"])
    for column in (20, 21):
        picture = line(column)
        by_pillow = Image.fromarray(picture).resize(SMALL[::-1], pillow)
        by_runtime = session.run(None, {"x": picture[None, None]})[0][0, 0]
        by_openvino = compiled(read)({"x": picture[None, None]})[0][0, 0]
        print(
            f"{mode}, line at column {column}: Pillow {brightest(by_pillow)}, "
            f"ONNX Runtime {brightest(by_runtime)}, OpenVINO {brightest(by_openvino)}"
        )
(node,) = (each for each in read.get_ops() if each.get_type_name() == "Interpolate")
print(f"OpenVINO's node: antialias {node.get_attributes()['antialias']}")

x = openvino.opset13.parameter([1, 1, *SMALL], np.float32)
steps = PrePostProcessor(openvino.Model([openvino.opset13.relu(x)], [x]))
steps.input().tensor().set_layout(openvino.Layout("NCHW")).set_shape([1, 1, HEIGHT, WIDTH])
steps.input().preprocess().resize(ResizeAlgorithm.RESIZE_BILINEAR_PILLOW)
steps.input().model().set_layout(openvino.Layout("NCHW"))
model = compiled(steps.build())
answers = (f"column {column} {brightest(model(line(column)[None, None])[0][0, 0])}" for column in (20, 21))
print(f"by OpenVINO's RESIZE_BILINEAR_PILLOW: {', '.join(answers)}")
PY
"$folder/venv/bin/python" "$folder/shrink.py" | tee "$folder/seen"
grep -qxF "linear, line at column 20: Pillow 0.156, ONNX Runtime 0.156, OpenVINO 0.000" "$folder/seen"
grep -qxF "linear, line at column 21: Pillow 0.219, ONNX Runtime 0.219, OpenVINO 0.500" "$folder/seen"
grep -qxF "cubic, line at column 20: Pillow 0.182, ONNX Runtime 0.182, OpenVINO 0.000" "$folder/seen"
grep -qxF "cubic, line at column 21: Pillow 0.241, ONNX Runtime 0.241, OpenVINO 0.562" "$folder/seen"
grep -qxF "OpenVINO's node: antialias True" "$folder/seen"
grep -qxF "by OpenVINO's RESIZE_BILINEAR_PILLOW: column 20 0.156, column 21 0.219" "$folder/seen"
