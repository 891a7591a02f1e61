#!/bin/bash
# Open3D: depth rendered by its ray casting scene becomes points that are half a pixel off, with the same camera matrix.
#
# Versions: open3d-cpu 0.20.0, numpy 2.2.6, Python 3.11. x86_64, with libusb-1.0.so.0 (Debian: libusb-1.0-0).
# Expected: a pixel is the same in one library: the points of a rendered depth image lie where the rays hit.
# Happens: create_rays_pinhole sends the ray of pixel (u, v) through (u + 0.5, v + 0.5): for it a pixel begins at its
#   number. create_from_depth_image takes (u, v), as OpenCV and what it calibrates, and says so: x = (u - cx) * z / fx.
#   Of the rays' matrix only "intrinsic matrix" is said. The points are half a pixel to the left and above: with a focal
#   length of 500 pixels a millimetre per metre each way.
# Seen (a plane 2 m away in 640 x 480 pixels, and how far the points are from where the rays hit, in pixels):
#   the same matrix: x -0.50 to -0.50, y -0.50 to -0.50
#   with 0.5 added to cx and cy for the rays: x 0.00 to 0.00, y 0.00 to 0.00
# To do: give create_rays_pinhole a matrix with cx + 0.5 and cy + 0.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install open3d-cpu==0.20.0 numpy==2.2.6
"$folder/venv/bin/python" - <<'PY' | tee "$folder/seen"
import numpy as np
import open3d as o3d

width, height, focal, distance = 640, 480, 500.0, 2.0
lens = o3d.camera.PinholeCameraIntrinsic(width, height, focal, focal, 320.0, 240.0)
corners = np.array([[-9, -9, distance], [9, -9, distance], [9, 9, distance], [-9, 9, distance]], np.float32)
triangles = np.array([[0, 1, 2], [0, 2, 3]], np.uint32)
scene = o3d.t.geometry.RaycastingScene()
scene.add_triangles(o3d.core.Tensor(corners), o3d.core.Tensor(triangles))


def tell(name, matrix):
    rays = scene.create_rays_pinhole(o3d.core.Tensor(matrix), o3d.core.Tensor(np.eye(4)), width, height)
    depth = scene.cast_rays(rays)["t_hit"].numpy()  # the rays' z is 1
    hits = rays.numpy()[..., :3] + depth[..., None] * rays.numpy()[..., 3:]
    cloud = o3d.geometry.PointCloud.create_from_depth_image(o3d.geometry.Image(depth), lens, depth_scale=1.0)
    off = (np.asarray(cloud.points).reshape(height, width, 3) - hits) * focal / distance
    low, high = off.min((0, 1)).round(2) + 0.0, off.max((0, 1)).round(2) + 0.0
    print(f"{name}: x {low[0]:.2f} to {high[0]:.2f}, y {low[1]:.2f} to {high[1]:.2f}")


matrix = np.array(lens.intrinsic_matrix)
tell("the same matrix", matrix)
tell("with 0.5 added to cx and cy for the rays", matrix + [[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
PY
grep -qxF "the same matrix: x -0.50 to -0.50, y -0.50 to -0.50" "$folder/seen"
grep -qxF "with 0.5 added to cx and cy for the rays: x 0.00 to 0.00, y 0.00 to 0.00" "$folder/seen"
