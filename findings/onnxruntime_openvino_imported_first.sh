#!/bin/bash
# onnxruntime-openvino: after `import openvino`, OpenVINO's provider is still listed as available, and the CPU runs.
#
# Versions: onnxruntime-openvino 1.24.1, openvino 2025.4.1, onnx 1.19.0, Python 3.11, Linux x86_64.
# Expected: the provider that get_available_providers() lists is used, also when the program uses OpenVINO itself, in
#   the version that the provider was built for; or creating the session fails, where no other provider was asked for.
# Happens: both wheels bring their own libopenvino. The one that is loaded first serves both, and the provider's own
#   library misses a symbol in it: the two are built with different C++ string ABIs. ONNX Runtime prints two lines to
#   stderr, goes on, and runs the model on its CPU provider, even where that was not asked for. With the imports in the
#   other order, or without `import openvino`, the provider is used.
# Seen:
#   openvino first: available OpenVINO CPU, used CPU, undefined symbol: yes
#   onnxruntime alone: available OpenVINO CPU, used OpenVINO CPU, undefined symbol: no
# To do: after creating a session, compare get_providers() with what was asked for; import onnxruntime and create its
#   first OpenVINO session before anything imports openvino, or use one of the two packages.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install onnxruntime-openvino==1.24.1 openvino==2025.4.1 onnx==1.19.0
export ORT_DISABLE_TELEMETRY=1
cat > "$folder/provider.py" <<'PY'
import sys

from onnx import TensorProto, helper

if sys.argv[1] == "openvino":
    import openvino  # noqa: F401
import onnxruntime

value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy"]
graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "relu", value[:1], value[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["OpenVINOExecutionProvider"])
short = [
    " ".join(name.removesuffix("ExecutionProvider") for name in names)
    for names in (onnxruntime.get_available_providers(), session.get_providers())
]
print(f"available {short[0]}, used {short[1]}")
PY
for first in openvino onnxruntime; do
    said=$("$folder/venv/bin/python" "$folder/provider.py" "$first" 2> "$folder/errors")
    symbol=no; grep -q "undefined symbol" "$folder/errors" && symbol=yes
    name="onnxruntime alone"; [ "$first" = openvino ] && name="openvino first"
    echo "$name: $said, undefined symbol: $symbol" | tee -a "$folder/seen"
done
grep -qx "openvino first: available OpenVINO CPU, used CPU, undefined symbol: yes" "$folder/seen"
grep -qx "onnxruntime alone: available OpenVINO CPU, used OpenVINO CPU, undefined symbol: no" "$folder/seen"
