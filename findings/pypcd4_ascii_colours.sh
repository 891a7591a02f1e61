#!/bin/bash
# pypcd4: a coloured cloud that is saved as ASCII is all black: its colours are written as 0.0000000000.
#
# Versions: pypcd4 1.5.1, numpy 2.2.6, Python 3.11.
# Expected: a file in any of the encodings gives the same cloud when it is read again.
# Happens: a colour is three bytes in a float32, as PCL has it, which as a number is about 1e-38. The ASCII encoding
#   writes each float as "%.10f", with ten digits behind the point, and so each colour as 0. What is below 5e-11 in
#   other fields is lost too. The other encodings keep all, and so does Open3D in ASCII. There is no warning.
# Seen (a red and a green point):
#   ascii: [[0, 0, 0], [0, 0, 0]]
#   the second line: 4.0000000000 5.0000000000 6.0000000000 0.0000000000
#   binary: [[255, 0, 0], [0, 200, 0]]
#   binary_compressed: [[255, 0, 0], [0, 200, 0]]
#   ascii, uint32: [[255, 0, 0], [0, 200, 0]]
# To do: save as binary; or, for ASCII, make the field a uint32 of the same bytes, as the last line does.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install pypcd4==1.5.1 numpy==2.2.6
"$folder/venv/bin/python" - "$folder/cloud.pcd" <<'PY' | tee "$folder/seen"
import sys

import numpy as np
from pypcd4 import Encoding, PointCloud

file = sys.argv[1]
points = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
rgb = PointCloud.encode_rgb(np.array([[255, 0, 0], [0, 200, 0]], np.uint8))
cloud = PointCloud.from_xyzrgb_points(np.column_stack([points, rgb]))


def tell(name, cloud, encoding):
    cloud.save(file, encoding)
    print(f"{name}: {PointCloud.decode_rgb(PointCloud.from_path(file).pc_data['rgb']).tolist()}")


tell("ascii", cloud, Encoding.ASCII)
print(f"the second line: {open(file).read().splitlines()[-1]}")
tell("binary", cloud, Encoding.BINARY)
tell("binary_compressed", cloud, Encoding.BINARY_COMPRESSED)
whole = PointCloud.from_points(
    [*points.T, rgb.view(np.uint32)],
    fields=("x", "y", "z", "rgb"),
    types=(np.float32, np.float32, np.float32, np.uint32),
)
tell("ascii, uint32", whole, Encoding.ASCII)
PY
grep -qxF "ascii: [[0, 0, 0], [0, 0, 0]]" "$folder/seen"
grep -qxF "the second line: 4.0000000000 5.0000000000 6.0000000000 0.0000000000" "$folder/seen"
grep -qxF "binary: [[255, 0, 0], [0, 200, 0]]" "$folder/seen"
grep -qxF "binary_compressed: [[255, 0, 0], [0, 200, 0]]" "$folder/seen"
grep -qxF "ascii, uint32: [[255, 0, 0], [0, 200, 0]]" "$folder/seen"
