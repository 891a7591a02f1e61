"""A textured OBJ mesh of a table knife, written by tests."""

from pathlib import Path

import cv2
import numpy as np

# A table knife: a sheet of two squares, the left one textured, the right one plain.
OBJ = """mtllib knife.mtl
v -2 0 0\nv 0 0 0\nv 0 0.1 1\nv -2 0 1\nv 2 0 0\nv 2 0.1 1
vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1
o knife
usemtl handle
f 1/1 2/2 3/3 4/4
usemtl steel
f 2 5 6
f -1 -4 -5
"""
MTL = "newmtl handle\nKd 1 1 1\nmap_Kd wood.png\nnewmtl steel\nKd 0.25 0.5 0.75\n"


def write_knife(folder: Path, obj: str = OBJ, mtl: str = MTL, picture: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "knife.obj").write_text(obj)
    (folder / "knife.mtl").write_text(mtl)
    if picture:
        wood = np.zeros((40, 600, 3), np.uint8)
        wood[..., 2] = 200  # red, as OpenCV counts
        cv2.imwrite(str(folder / "wood.png"), wood)
    return folder / "knife.obj"
