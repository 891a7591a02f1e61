#!/bin/bash
# rclpy: what stands in quotes in a parameter file is loaded as a number; with --params-file it is a string.
#
# Versions: rclpy 9.1.2 (Kilted), Python 3.11.
# Expected: a file gives the same parameters with --params-file as with `ros2 param load`, and what stands in quotes is
#   a string, as everywhere in YAML.
# Happens: there are two readers. rcl's, for --params-file, keeps strings. rclpy's parameter_dict_from_yaml_file, for
#   AsyncParameterClient.load_parameter_file and `ros2 param load`, reads each value twice: it makes text of what YAML
#   gave and reads that as YAML again. The quotes are gone by then: a serial number becomes an integer, and "0123" one
#   in octal. A small double, which Python writes as 1e-05, becomes a string. And a y without quotes, as for an axis,
#   is a bool in rcl alone. Where the types are fixed the node refuses them; where they are not it takes them.
# Seen (at the start; loaded):
#   serial_no: "827112070000": '827112070000'; 827112070000
#   model: "0123": '0123'; 83
#   step: 0.00001: 1e-05; '1e-05'
#   axis: y: True; 'y'
# To do: load by setting parameters of known types from a program. Quote y and n, and start the node anew for new files.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install ros-rclpy==9.1.2 ros-rmw-fastrtps-cpp==9.3.3
cat > "$folder/camera.yaml" <<'YAML'
/camera:
  ros__parameters:
    serial_no: "827112070000"
    model: "0123"
    step: 0.00001
    axis: y
YAML
cat > "$folder/read.py" <<'PY'
import sys

import rclpy
from rclpy.parameter import parameter_dict_from_yaml_file, parameter_value_to_python

file = sys.argv[1]
rclpy.init(args=["--ros-args", "--params-file", file])
node = rclpy.create_node("camera", automatically_declare_parameters_from_overrides=True)
loaded = parameter_dict_from_yaml_file(file, target_nodes=["/camera"])
for line in open(file).read().splitlines()[2:]:
    name = line.split(":")[0].strip()
    at_start = node.get_parameter(name).value
    print(f"{line.strip()}: {at_start!r}; {parameter_value_to_python(loaded[name].value)!r}")
PY
export AMENT_PREFIX_PATH=$folder/venv ROS_LOG_DIR=$folder
"$folder/venv/bin/python" "$folder/read.py" "$folder/camera.yaml" | tee "$folder/seen"
grep -qxF "serial_no: \"827112070000\": '827112070000'; 827112070000" "$folder/seen"
grep -qxF "model: \"0123\": '0123'; 83" "$folder/seen"
grep -qxF "step: 0.00001: 1e-05; '1e-05'" "$folder/seen"
grep -qxF "axis: y: True; 'y'" "$folder/seen"
