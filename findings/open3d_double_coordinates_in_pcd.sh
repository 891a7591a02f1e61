#!/bin/bash
# Open3D: a binary PCD file with coordinates in double precision is read with all points at the origin.
#
# Versions: open3d-cpu 0.20.0, pypcd4 1.5.1, numpy 2.2.6, Python 3.11. x86_64, with libusb-1.0.so.0 (Debian:
#   libusb-1.0-0).
# Expected: the points, or an error. PCD has doubles (TYPE F, SIZE 8), and Open3D's points are doubles. pypcd4 saves
#   what comes with float64, as a PointCloud2 with FLOAT64 fields or map coordinates; Open3D's tensor API does so, too.
# Happens: open3d.io.read_point_cloud takes numbers of type F only from four bytes, and 0 for all others, without a
#   word. There are as many points as in the file, and their colours are right. Normals are lost in the same way. In
#   ASCII files it reads the text, and is right; open3d.t.io.read_point_cloud always is.
# Seen (the second of two points, its colour, and the point as the tensor API reads it):
#   pypcd4, ascii: 4.4 5.5 6.6, colour 0 200 0, tensor 4.4 5.5 6.6
#   pypcd4, binary: 0.0 0.0 0.0, colour 0 200 0, tensor 4.4 5.5 6.6
#   pypcd4, binary_compressed: 0.0 0.0 0.0, colour 0 200 0, tensor 4.4 5.5 6.6
#   open3d.t.io, binary: 0.0 0.0 0.0, colour 0 200 0, tensor 4.4 5.5 6.6
# To do: save coordinates as float32, relative to a point nearby if they are large. Or read with open3d.t.io, and
#   to_legacy().
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install open3d-cpu==0.20.0 pypcd4==1.5.1 numpy==2.2.6
"$folder/venv/bin/python" - "$folder/cloud.pcd" <<'PY' | tee "$folder/seen"
import sys

import numpy as np
import open3d as o3d
from pypcd4 import Encoding, PointCloud

file = sys.argv[1]
points = np.array([[1.1, 2.2, 3.3], [4.4, 5.5, 6.6]])
colors = np.array([[255, 0, 0], [0, 200, 0]], np.uint8)


def text(numbers):
    return " ".join(str(each) for each in numbers.tolist())


def tell(name):
    cloud = o3d.io.read_point_cloud(file)
    point, color = np.asarray(cloud.points)[1], np.rint(np.asarray(cloud.colors)[1] * 255).astype(int)
    tensor = o3d.t.io.read_point_cloud(file).point.positions.numpy()[1]
    print(f"{name}: {text(point)}, colour {text(color)}, tensor {text(tensor)}")


cloud = PointCloud.from_points(
    [*points.T, PointCloud.encode_rgb(colors).view(np.uint32)],
    fields=("x", "y", "z", "rgb"),
    types=(np.float64, np.float64, np.float64, np.uint32),
)
for encoding in (Encoding.ASCII, Encoding.BINARY, Encoding.BINARY_COMPRESSED):
    cloud.save(file, encoding)
    tell(f"pypcd4, {encoding.value}")
cloud = o3d.t.geometry.PointCloud(o3d.core.Tensor(points))
cloud.point.colors = o3d.core.Tensor(colors)
o3d.t.io.write_point_cloud(file, cloud)
tell("open3d.t.io, binary")
PY
grep -qxF "pypcd4, ascii: 4.4 5.5 6.6, colour 0 200 0, tensor 4.4 5.5 6.6" "$folder/seen"
grep -qxF "pypcd4, binary: 0.0 0.0 0.0, colour 0 200 0, tensor 4.4 5.5 6.6" "$folder/seen"
grep -qxF "pypcd4, binary_compressed: 0.0 0.0 0.0, colour 0 200 0, tensor 4.4 5.5 6.6" "$folder/seen"
grep -qxF "open3d.t.io, binary: 0.0 0.0 0.0, colour 0 200 0, tensor 4.4 5.5 6.6" "$folder/seen"
