import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from onnx import TensorProto, helper

import selcon_ros.core.grounding.bundle as bundle_module
from selcon_ros.core.errors import BundleError
from selcon_ros.core.grounding.bundle import (
    BundleFile,
    default_bundle_path,
    load_bundle,
    model_role,
    write_bundle,
)
from support.bundles import colour_bundle, colour_manifest, edit_manifest
from support.disk import files_of_at_most


@pytest.fixture(params=["bundle", "bundle.zip"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return colour_bundle(tmp_path / request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return colour_bundle(tmp_path / "bundle")


def test_what_is_written_is_read(path: Path) -> None:
    bundle = load_bundle(path)
    assert replace(bundle.manifest, files={}) == colour_manifest()
    assert bundle.manifest.files["model"].path == "model.onnx"
    assert len(bundle.model) > 1000


def test_folder_and_zip_of_it_are_the_same(tmp_path: Path, folder: Path) -> None:
    """A .zip made by hand, of the folder or of what is in it."""
    for prefix in ("", "anything/"):
        with zipfile.ZipFile(tmp_path / "hand.zip", "w") as archive:
            for file in folder.iterdir():
                archive.write(file, prefix + file.name)
        bundle = load_bundle(tmp_path / "hand.zip")
        assert bundle.manifest == load_bundle(folder).manifest


def test_equal_content_gives_an_equal_archive(tmp_path: Path) -> None:
    first, second = (colour_bundle(tmp_path / name) for name in ("a.zip", "b.zip"))
    assert first.read_bytes() == second.read_bytes()


def test_further_files_are_kept_and_verified(tmp_path: Path, folder: Path) -> None:
    manifest = replace(colour_manifest(), files={"int8": BundleFile("quantised/model.int8.onnx")})
    out = tmp_path / "two"
    write_bundle(out, manifest, {"model": b"\x08\x01", "int8": b"\x08\x02"})
    assert load_bundle(out).files == {"model": b"\x08\x01", "int8": b"\x08\x02"}
    (out / "quantised" / "model.int8.onnx").write_bytes(b"too")
    with pytest.raises(BundleError, match="model.int8.onnx was changed"):
        load_bundle(out)


def test_a_robot_reads_the_graph_of_one_precision(tmp_path: Path, folder: Path) -> None:
    both = tmp_path / "both.zip"
    given = load_bundle(folder)
    write_bundle(both, given.manifest, {"model": given.model, "model.int8": b"\x08\x03"})
    assert load_bundle(both).manifest.files["model.int8"].path == "model.int8.onnx"
    for path, precision, role in (
        (folder, "auto", "model"),
        (folder, "fp32", "model"),
        (both, "auto", "model.int8"),
        (both, "int8", "model.int8"),
        (both, "fp32", "model"),
    ):
        assert model_role(load_bundle(path, roles=()).manifest, path, precision) == role
    with pytest.raises(BundleError, match="has no int8 model: make one with `selcon quantize`"):
        model_role(given.manifest, folder, "int8")
    with pytest.raises(
        BundleError, match="unknown precision 'int4': choose one of auto, fp32, fp16, bf16, int8"
    ):
        model_role(given.manifest, folder, "int4")


def test_writing_replaces_a_bundle_and_leaves_nothing_else(path: Path) -> None:
    write_bundle(path, colour_manifest(), {"model": b"\x08\x04"})
    assert load_bundle(path).model == b"\x08\x04"
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["precious", "precious.zip", "precious.txt"])
def test_writing_never_replaces_anything_else(tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    if name == "precious":
        out.mkdir()
        (out / "thesis.tex").write_text("years of work")
    else:
        out.write_text("years of work")
    with pytest.raises(BundleError, match="left alone"):
        write_bundle(out, colour_manifest(), {"model": b"\x08\x04"})
    kept = out / "thesis.tex" if out.is_dir() else out
    assert kept.read_text() == "years of work"
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_full_disk_leaves_the_old_bundle(path: Path) -> None:
    before = load_bundle(path)
    with files_of_at_most(1000), pytest.raises(BundleError, match="cannot write bundle .*: File too large"):
        write_bundle(path, colour_manifest(), {"model": os.urandom(5000)})
    assert load_bundle(path) == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_model_must_be_among_the_files(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"'model', got \['model.onnx'\]"):
        write_bundle(tmp_path / "out", colour_manifest(), {"model.onnx": b"\x08\x05"})


def test_two_files_cannot_share_a_name(tmp_path: Path) -> None:
    for name in ("model.onnx", "manifest.json"):
        manifest = replace(colour_manifest(), files={"int8": BundleFile(name)})
        with pytest.raises(BundleError, match="share a name"):
            write_bundle(tmp_path / "out", manifest, {"model": b"\x08\x05", "int8": b"\x08\x06"})


def test_missing_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no model bundle at .*nowhere"):
        load_bundle(tmp_path / "nowhere")


def test_missing_files(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    with pytest.raises(BundleError, match="model.onnx is missing"):
        load_bundle(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(BundleError, match="manifest.json is missing"):
        load_bundle(folder)


def test_tampered_model(folder: Path) -> None:
    model = folder / "model.onnx"
    content = bytearray(model.read_bytes())
    content[100] ^= 1
    model.write_bytes(content)
    with pytest.raises(BundleError, match="model.onnx was changed or damaged"):
        load_bundle(folder)


def test_a_model_without_a_hash_is_not_trusted(folder: Path) -> None:
    edit_manifest(folder, lambda record: record["files"]["model"].update(sha256=""))
    with pytest.raises(BundleError, match="manifest says nothing"):
        load_bundle(folder)


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "a/../../secret", "..\\secret", "C:secret", "", "a\0b"]
)
def test_paths_cannot_leave_the_bundle(folder: Path, name: str) -> None:
    (folder.parent / "secret").write_text("x")
    edit_manifest(folder, lambda record: record["files"]["model"].update(path=name))
    with pytest.raises(BundleError, match="must be a relative path inside the bundle"):
        load_bundle(folder)


def test_links_cannot_leave_the_bundle(folder: Path) -> None:
    secret = folder.parent / "secret"
    secret.write_bytes((folder / "model.onnx").read_bytes())
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").symlink_to(secret)
    with pytest.raises(BundleError, match="leads out of the bundle"):
        load_bundle(folder)


def test_graphs_that_lead_out_of_the_bundle_are_refused_when_it_is_loaded(path: Path) -> None:
    """Before any engine sees them, whatever the file is called."""
    tensor = TensorProto(name="w", data_location=TensorProto.EXTERNAL)
    graph = helper.make_graph([], "g", [], [], [tensor])
    content = helper.make_model(graph).SerializeToString()
    manifest = replace(colour_manifest(), files={"model": BundleFile("model.bin")})
    write_bundle(path, manifest, {"model": content})
    with pytest.raises(BundleError, match="bundle .*: model.bin keeps the weight 'w' in another file"):
        load_bundle(path)


def test_only_plain_files_are_read(folder: Path) -> None:
    """No waiting for who writes into a pipe, no endless device, no circle of links."""
    model = folder / "model.onnx"
    for make, says in (
        (lambda: os.mkfifo(model), "not a plain file"),
        (lambda: model.symlink_to("model.onnx"), "model.onnx is missing"),
        (lambda: model.mkdir(), "not a plain file"),
    ):
        model.unlink()
        make()
        with pytest.raises(BundleError, match=says):
            load_bundle(folder)
        if model.is_dir():
            model.rmdir()
            model.touch()
    os.mkfifo(folder.parent / "pipe.zip")
    (folder.parent / "circle.zip").symlink_to("circle.zip")
    for name in (folder.parent / "pipe.zip", folder.parent / "circle.zip", "/dev/zero"):
        with pytest.raises(BundleError, match="no model bundle at"):
            load_bundle(name)


def test_all_files_together_are_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many roles may name one file."""
    entry = json.loads((folder / "manifest.json").read_text())["files"]["model"]
    edit_manifest(folder, lambda record: record.update(files={"model": entry, "b": entry, "c": entry}))
    assert len(load_bundle(folder).files) == 3
    size = (folder / "model.onnx").stat().st_size
    monkeypatch.setattr(bundle_module, "MAX_BUNDLE_BYTES", 2 * size + 1)
    with pytest.raises(BundleError, match="more than"):
        load_bundle(folder)


LOAD_WITH_A_SMALL_LIMIT = """
import resource, sys
import selcon_ros.core.grounding.bundle as bundle

bundle.MAX_FILE_BYTES = 1 << 20
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    bundle.load_bundle(sys.argv[1])
except bundle.BundleError as error:
    print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_what_an_archive_unpacks_to_takes_no_more_memory_than_allowed(tmp_path: Path) -> None:
    write_bundle(tmp_path / "b.zip", colour_manifest(), {"model": bytes(32 << 20)})
    command = [sys.executable, "-c", LOAD_WITH_A_SMALL_LIMIT, str(tmp_path / "b.zip")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    message, kilobytes = said.splitlines()
    assert "model.onnx has more than the 1048576 bytes allowed" in message
    assert int(kilobytes) < 16 << 10


def test_damaged_archives(tmp_path: Path) -> None:
    path = colour_bundle(tmp_path / "b.zip")
    content = path.read_bytes()
    half, hole = content[: len(content) // 2], content[:200] + b"\0" * 50 + content[250:]
    for damaged in (b"", b"not a zip", half, hole):
        path.write_bytes(damaged)
        with pytest.raises(BundleError, match="b.zip"):
            load_bundle(path)


def test_an_archive_that_promises_too_much_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", b" " * (2 << 20))
    with pytest.raises(BundleError, match="manifest.json has more than the 1048576 bytes"):
        load_bundle(path)


def test_an_impossible_file_name_is_no_crash(folder: Path) -> None:
    edit_manifest(folder, lambda record: record["files"]["model"].update(path="x" * 5000))
    with pytest.raises(BundleError, match="at most 200 characters, got 'xxx"):
        load_bundle(folder)


def test_the_default_bundle_is_in_the_package() -> None:
    assert default_bundle_path().parts[-3:] == ("selcon_ros", "assets", "tabletop")


def test_the_packaged_model_says_what_it_is_for() -> None:
    manifest = load_bundle(default_bundle_path(), roles=()).manifest
    assert not manifest.rendered_only and not manifest.data_warning
    assert "tables" in manifest.description and "not for everyday scenes" in manifest.description
    assert manifest.confidence is not None and manifest.metrics["confidence"]["false_rate"] == 0.03


def test_the_packaged_bundle_is_small_enough_to_be_in_the_package() -> None:
    bundle = load_bundle(default_bundle_path())
    assert "model.int8" in bundle.files and sum(map(len, bundle.files.values())) < 14e6
