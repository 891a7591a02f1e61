#!/bin/bash
# ros2_numpy from pip: the matrix of a pose or transform is turned wrongly: by half a turn where there is none.
#
# Versions: ros2_numpy 0.0.5, transformations 2026.1.18, numpy 1.24.2, geometry_msgs 5.5.1 (Kilted), Python 3.11.
# Expected: what the README says: Pose and Transform to and from "the homogeneous transformation matrix", and a
#   Quaternion is [x, y, z, w].
# Happens, without a word: the matrix comes from pip's transformations, for which a quaternion is [w, x, y, z], and it
#   is given x, y, z, w. Back, a Transform is written in the right order, and so comes out as another than was read; a
#   Pose in the wrong one, and so comes out with the same turn, which hides it. Box-Robotics, whose ros2_numpy was
#   copied, mended this in 2021 (its pull request 2) with a transformations.py of its own.
# Seen (where the axes x, y, z point; then the quaternion x, y, z, w):
#   no turn: x to [-1, 0, 0], y to [0, -1, 0], z to [0, 0, 1]
#   a quarter of a turn about z: x to [-1, 0, 0], y to [0, 0, 1], z to [0, 1, 0]
#   a Pose from the unit matrix: [1.0, 0.0, 0.0, 0.0]
#   that quarter as a Pose, to a matrix and back: [0.0, 0.0, -0.71, -0.71]
#   that quarter as a Transform, to a matrix and back: [0.0, -0.71, -0.71, 0.0]
# To do: numpify() the position and the quaternion alone, which are right, and make the matrix with SciPy's
#   Rotation.from_quat, which takes x, y, z, w.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install ros2-numpy==0.0.5 transformations==2026.1.18 numpy==1.24.2 \
  ros-geometry-msgs==5.5.1 ros-nav-msgs==5.5.1 ros-sensor-msgs==5.5.1
export AMENT_PREFIX_PATH=$folder/venv
"$folder/venv/bin/python" - <<'PY' | tee "$folder/seen"
import numpy as np
from geometry_msgs.msg import Pose, Quaternion, Transform
from ros2_numpy import msgify, numpify

half = np.sqrt(0.5)
quarter = Quaternion(x=0.0, y=0.0, z=half, w=half)


def axes(matrix):
    columns = np.rint(matrix[:3, :3].T).astype(int).tolist()
    return ", ".join(f"{name} to {column}" for name, column in zip("xyz", columns))


def numbers(quaternion):
    values = (quaternion.x, quaternion.y, quaternion.z, quaternion.w)
    return [round(value, 2) + 0.0 for value in values]


print("no turn:", axes(numpify(Pose())))
print("a quarter of a turn about z:", axes(numpify(Pose(orientation=quarter))))
print("a Pose from the unit matrix:", numbers(msgify(Pose, np.eye(4)).orientation))
there = numpify(Pose(orientation=quarter))
print("that quarter as a Pose, to a matrix and back:", numbers(msgify(Pose, there).orientation))
there = numpify(Transform(rotation=quarter))
print("that quarter as a Transform, to a matrix and back:", numbers(msgify(Transform, there).rotation))
PY
grep -qxF "no turn: x to [-1, 0, 0], y to [0, -1, 0], z to [0, 0, 1]" "$folder/seen"
grep -qxF "a quarter of a turn about z: x to [-1, 0, 0], y to [0, 0, 1], z to [0, 1, 0]" "$folder/seen"
grep -qxF "a Pose from the unit matrix: [1.0, 0.0, 0.0, 0.0]" "$folder/seen"
grep -qxF "that quarter as a Transform, to a matrix and back: [0.0, -0.71, -0.71, 0.0]" "$folder/seen"
