"""Small packages and lists of free files, as `selcon tabletop media` collects them."""

import hashlib
import io
import json
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

OBJ = b"""mtllib hammer.mtl
v 0 0 0
v 1 0 0
v 0 1 0
vt 0 0
usemtl iron
f 1/1 2/1 3/1
usemtl handle
f 1/1 2/1 3/1
usemtl iron
f 1/1 2/1 3/1
"""
MTL = b"""newmtl iron
Kd 0.5 0.5 0.5
map_Kd iron skin.png
map_Bump -bm 0.5 bump.png
map_d ../secret.png
map_Ks C:/Users/me/wood.jpg
newmtl handle
map_Kd /etc/passwd
"""


def picture(seed: int = 0) -> bytes:
    image = np.random.default_rng(seed).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    done, content = cv2.imencode(".png", image)
    assert done
    return content.tobytes()


def furniture(members: dict[str, bytes] | None = None) -> bytes:
    """A library of furniture with one hammer; `members` replace or add files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in {
            "lib/hammer/hammer.obj": OBJ,
            "lib/hammer/hammer.mtl": MTL,
            "lib/hammer/iron skin.png": picture(1),
            "lib/hammer/bump.png": picture(2),
            "lib/secret.png": picture(3),
            "lib/hammer.png": picture(4),
            **(members or {}),
        }.items():
            archive.writestr(name, content)
    return file.getvalue()


def write_deb(folder: Path, package: str, version: str, files: dict[str, bytes]) -> Path:
    if shutil.which("dpkg-deb") is None:
        pytest.skip("needs dpkg-deb")
    tree = folder / f"{package}_tree"
    for name, content in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    (tree / "DEBIAN").mkdir(exist_ok=True)
    (tree / "DEBIAN/control").write_text(
        f"Package: {package}\nVersion: {version}\nArchitecture: all\nMaintainer: A <a@b.example>\n"
        "Description: small\n"
    )
    path = folder / f"{package}_{version}_all.deb"
    subprocess.run(["dpkg-deb", "--build", "-z0", str(tree), str(path)], check=True, capture_output=True)
    shutil.rmtree(tree)
    return path


def entry(path: str, content: bytes, to: str, **more: Any) -> dict[str, Any]:
    return {
        "path": path,
        "to": to,
        "sha256": hashlib.sha256(content).hexdigest(),
        "category": "place",
        "title": "a place",
        "author": "A. Author",
        "licence": "CC0-1.0",
        "link": "https://place.example",
        **more,
    }


def write_list(folder: Path, name: str, files: list[dict[str, Any]], **more: Any) -> Path:
    folder.mkdir(exist_ok=True)
    head = {"format": 1, "package": f"selcon-test-{name}", "version": "1.0-1", "registry": "debian"}
    path = folder / f"{name}.json"
    path.write_text(json.dumps({**head, "title": f"Test {name}", **more, "files": files}))
    return path
