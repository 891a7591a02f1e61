#!/bin/bash
# Open3D: a coloured cloud that its tensor API saves as PLY is all black when its other reader loads it.
#
# Versions: open3d-cpu 0.20.0, numpy 2.2.6, Python 3.11. x86_64, with libusb-1.0.so.0 (Debian: libusb-1.0-0).
# Expected: what open3d.t.io.write_point_cloud writes, open3d.io.read_point_cloud reads with its colours, as it does
#   with PCD, PTS and XYZRGB. In the documentation of both APIs colours are floats from 0 to 1.
# Happens, without a word: the tensor API's points have float32 colours where they come from an RGB-D image, also one of
#   bytes, or from a cloud of the other API. As PLY it writes them as they are ("property float red"); for PCD and PTS
#   it makes bytes of them. The other reader divides what it finds in a PLY file by 255, whatever its type. So the
#   brightest is 0.0039, one step of a screen's 255. The tensor API, and trimesh, read the same file well.
# Seen (an orange point from an RGB-D image, read by open3d.io, and by open3d.t.io divided by 255 if it is of bytes):
#   ply: 0.0039 0.0020 0.0000, tensor 1.0000 0.5020 0.0000 float32
#   pcd: 1.0000 0.5020 0.0000, tensor 1.0000 0.5020 0.0000 uint8
#   pts: 1.0000 0.5020 0.0000, tensor 1.0000 0.5020 0.0000 uint8
#   xyzrgb: 1.0000 0.5020 0.0000, tensor 1.0000 0.5020 0.0000 float32
#   ply of bytes: 1.0000 0.5020 0.0000, tensor 1.0000 0.5020 0.0000 uint8
# To do: make bytes of the colours before saving, as for the last line. Such a file: read with open3d.t.io, to_legacy().
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install open3d-cpu==0.20.0 numpy==2.2.6
"$folder/venv/bin/python" - "$folder" <<'PY' | tee "$folder/seen"
import sys

import numpy as np
import open3d as o3d

color = np.full((2, 2, 3), (255, 128, 0), np.uint8)
depth = np.full((2, 2), 1000, np.uint16)
color, depth = (o3d.t.geometry.Image(o3d.core.Tensor(each)) for each in (color, depth))
lens = o3d.core.Tensor([[500.0, 0.0, 0.5], [0.0, 500.0, 0.5], [0.0, 0.0, 1.0]])
cloud = o3d.t.geometry.PointCloud.create_from_rgbd_image(o3d.t.geometry.RGBDImage(color, depth), lens)
of_bytes = cloud.clone()
of_bytes.point.colors = (cloud.point.colors * 255).round().to(o3d.core.uint8)


def text(color):
    return " ".join(f"{each:.4f}" for each in color)


def tell(name, kind, cloud):
    file = f"{sys.argv[1]}/cloud.{kind}"
    assert o3d.t.io.write_point_cloud(file, cloud)
    legacy = np.asarray(o3d.io.read_point_cloud(file).colors)[0]
    tensor = o3d.t.io.read_point_cloud(file).point.colors.numpy()
    one = 255 if tensor.dtype == np.uint8 else 1
    print(f"{name}: {text(legacy)}, tensor {text(tensor[0] / one)} {tensor.dtype}")


for kind in ("ply", "pcd", "pts", "xyzrgb"):
    tell(kind, kind, cloud)
tell("ply of bytes", "ply", of_bytes)
PY
grep -qxF "ply: 0.0039 0.0020 0.0000, tensor 1.0000 0.5020 0.0000 float32" "$folder/seen"
grep -qxF "pcd: 1.0000 0.5020 0.0000, tensor 1.0000 0.5020 0.0000 uint8" "$folder/seen"
grep -qxF "pts: 1.0000 0.5020 0.0000, tensor 1.0000 0.5020 0.0000 uint8" "$folder/seen"
grep -qxF "xyzrgb: 1.0000 0.5020 0.0000, tensor 1.0000 0.5020 0.0000 float32" "$folder/seen"
grep -qxF "ply of bytes: 1.0000 0.5020 0.0000, tensor 1.0000 0.5020 0.0000 uint8" "$folder/seen"
