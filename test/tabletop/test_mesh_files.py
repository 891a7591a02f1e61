"""Textured OBJ meshes of files: what is read, and what is refused."""

import numpy as np
import pytest

pytest.importorskip("trimesh", reason="trimesh is missing: pip install 'selcon_ros[media]'")

from selcon_tabletop.mesh_files import MeshError, read_pieces
from support.mesh_knife import OBJ, write_knife


def test_materials_maps_and_coordinates_are_read(tmp_path):
    handle, steel = read_pieces(write_knife(tmp_path))
    assert (handle.material, steel.material) == ("handle", "steel")
    assert len(handle.mesh.faces) == len(steel.mesh.faces) == 2  # the quad is two triangles
    assert steel.colour == (0.25, 0.5, 0.75) and steel.texture is None and steel.mesh.uv is None
    assert handle.texture.shape == (17, 256, 3) and handle.texture[0, 0].tolist() == [200, 0, 0]
    corner = np.abs(handle.mesh.vertices - (0, 0.1, 1)).sum(1).argmin()
    assert handle.mesh.uv[corner].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("f 2 5 6", "f 2 5 7"), "a face refers to v '7' of 6"),
        (("f 2 5 6", "f 2 0 6"), "a face refers to v '0' of 6"),
        (("3/3", "3/9"), "a face refers to vt '9' of 4"),
        (("f 2 5 6", "f 2"), "a face reads '2', not three corners"),
        (("v 2 0 0", "v 2 nan 0"), "a vertex reads '2 nan 0', not three numbers"),
        (("v 2 0 0", "v 2"), "a vertex reads '2', not three numbers"),
        (("mtllib knife.mtl", "mtllib ../knife.mtl"), "outside its folder"),
        (("mtllib knife.mtl", "mtllib lost.mtl"), "lost.mtl: No such file"),
    ],
)
def test_a_damaged_mesh_is_refused_by_name(tmp_path, change, words):
    path = write_knife(tmp_path, OBJ.replace(*change))
    with pytest.raises(MeshError, match=words) as caught:
        read_pieces(path)
    assert str(tmp_path) in str(caught.value)


def test_a_missing_map_is_named(tmp_path):
    path = write_knife(tmp_path, picture=False)
    with pytest.raises(MeshError, match=r"cannot read .*wood\.png"):
        read_pieces(path)


def test_a_map_that_is_no_picture_is_named(tmp_path):
    path = write_knife(tmp_path, picture=False)
    (tmp_path / "wood.png").write_bytes(b"GIF89a" + bytes(20))
    with pytest.raises(MeshError, match=r"wood\.png"):
        read_pieces(path)


def test_too_much_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("selcon_tabletop.mesh_files.MAX_COUNT", 5)
    with pytest.raises(MeshError, match="6 lines of v; at most 5"):
        read_pieces(write_knife(tmp_path))
    monkeypatch.setattr("selcon_tabletop.mesh_files.MAX_MODEL_BYTES", 20)
    with pytest.raises(MeshError, match="more than the 20"):
        read_pieces(write_knife(tmp_path))


def test_what_is_no_mesh_is_refused(tmp_path):
    path = tmp_path / "notes.obj"
    path.write_text("to do: milk")
    with pytest.raises(MeshError, match="no OBJ file"):
        read_pieces(path)
