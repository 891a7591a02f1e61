#!/bin/bash
# ros2_numpy from pip: the colours and intensities of a point cloud are bytes of its coordinates.
#
# Versions: ros2_numpy 0.0.5, numpy 1.24.2, sensor_msgs 5.5.1 (Kilted), Python 3.11. A little-endian machine.
# Expected: numpify() of a PointCloud2 gives "rgb" and "intensity" as the message has them. The README says that rgb is
#   three uint8, and that intensity is a float32.
# Happens: the place of the field in the list of fields is taken for the byte at which it begins: rgb, the fourth
#   field, is read from byte 3 on, which is the last byte of x and the first two of y; so is intensity, and as uint16.
#   `offset` and `datatype` are not looked at. xyz are the first twelve bytes, whatever lies there: with x after z,
#   z is x.
# Seen (of two points, a red one at 0.3, 0.2, 1.0 and a green one at -0.3, 0.2, 1.0, both of intensity 100):
#   x, y, z, rgb: rgb uint8 [[204.0, 205.0, 62.0], [204.0, 205.0, 190.0]]
#   x, y, z, intensity: intensity uint16 [[52542.0], [52670.0]]
#   z, y, x: xyz float32 [[1.0, 0.2, 0.3], [1.0, 0.2, -0.3]]
# To do: read the fields with numpy at their offsets, or with read_points of sensor_msgs_py or of pip's pointcloud2.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install ros2-numpy==0.0.5 transformations==2026.1.18 numpy==1.24.2 pointcloud2==0.6.0 \
  ros-geometry-msgs==5.5.1 ros-nav-msgs==5.5.1 ros-sensor-msgs==5.5.1
export AMENT_PREFIX_PATH=$folder/venv
"$folder/venv/bin/python" - <<'PY' | tee "$folder/seen"
import array

import numpy as np
import pointcloud2
from ros2_numpy import numpify
from sensor_msgs.msg import PointCloud2, PointField

red, green = np.array([0xFF0000, 0x00FF00], "<u4").view("<f4")  # as RViz and PCL pack colours
columns = {"x": [0.3, -0.3], "y": [0.2, 0.2], "z": [1, 1], "rgb": [red, green], "intensity": [100, 100]}


def tell(names, wanted):
    values = np.array([columns[name] for name in names], "<f4").T
    cloud = PointCloud2(
        height=1,
        width=2,
        fields=[
            PointField(name=name, offset=4 * place, datatype=PointField.FLOAT32, count=1)
            for place, name in enumerate(names)
        ],
        point_step=4 * len(names),
        row_step=8 * len(names),
        data=array.array("B", values.tobytes()),
        is_dense=True,
    )
    same = pointcloud2.read_points(cloud)
    assert all((same[name] == np.array(columns[name], "<f4")).all() for name in names)
    seen = numpify(cloud)[wanted]
    print(f"{', '.join(names)}: {wanted} {seen.dtype} {np.round(seen.astype(float), 3).tolist()}")


tell(("x", "y", "z", "rgb"), "rgb")
tell(("x", "y", "z", "intensity"), "intensity")
tell(("z", "y", "x"), "xyz")
PY
grep -qxF "x, y, z, rgb: rgb uint8 [[204.0, 205.0, 62.0], [204.0, 205.0, 190.0]]" "$folder/seen"
grep -qxF "x, y, z, intensity: intensity uint16 [[52542.0], [52670.0]]" "$folder/seen"
grep -qxF "z, y, x: xyz float32 [[1.0, 0.2, 0.3], [1.0, 0.2, -0.3]]" "$folder/seen"
