#!/bin/bash
# trimesh: an OBJ file whose material file or map is missing is read without an error or a warning.
#
# Versions: trimesh 5.2.0 with Pillow 12.3.0, Python 3.11, Linux.
# Expected: at least a warning that names the file which is not there.
# Happens: without the material file the mesh has a picture of 2x2 pixels that no file holds, without the map it has
#   none. Nothing is raised, warned of or logged at level WARNING.
# Seen:
#   no material file: picture (2, 2), told 0
#   no map: picture None, told 0
#   both there: picture (4, 4), told 0
# To do: look for every file that mtllib and map_Kd name before reading.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install trimesh==5.2.0 pillow==12.3.0 numpy==2.3.5
cat > "$folder/read.py" <<'PY'
import logging
import sys
import warnings
from pathlib import Path

import trimesh
from PIL import Image

told = []


class Listener(logging.Handler):
    def emit(self, record):
        told.append(record.getMessage())


logging.getLogger().addHandler(Listener(logging.WARNING))
logging.getLogger("trimesh").addHandler(Listener(logging.WARNING))
folder = Path(sys.argv[1])
(folder / "model.obj").write_text(
    "mtllib model.mtl\nusemtl wood\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nf 1/1 2/2 3/3\n"
)
for case in ("no material file", "no map", "both there"):
    if case != "no material file":
        (folder / "model.mtl").write_text("newmtl wood\nKd 1 1 1\nmap_Kd wood.png\n")
    if case == "both there":
        Image.new("RGB", (4, 4), (120, 80, 40)).save(folder / "wood.png")
    told.clear()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        (mesh,) = trimesh.load_scene(folder / "model.obj").geometry.values()
    material = getattr(mesh.visual, "material", None)
    picture = getattr(material, "image", None)
    print(f"{case}: picture {picture.size if picture else None}, told {len(told) + len(warned)}")
PY
found=$("$folder/venv/bin/python" "$folder/read.py" "$folder")
echo "$found"
[ "$found" = "no material file: picture (2, 2), told 0
no map: picture None, told 0
both there: picture (4, 4), told 0" ]
