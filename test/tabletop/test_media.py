"""Free files are collected out of packages by lists, and what does not match is refused."""

import hashlib
import json
import os
import subprocess
import zipfile
from pathlib import Path

import cv2
import pytest
from click.testing import CliRunner

from selcon_ros.cli.main import main
from selcon_tabletop.media import archives, collect, listing, packages
from selcon_tabletop.media.listing import MediaError, read_sources
from support.media import OBJ, entry, furniture, picture, write_deb, write_list

PLACE = "usr/share/selcon-test/place.png"
LIBRARY = "usr/share/selcon-test/lib.sh3f"


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    """A list of one picture and one of a hammer, with their packages in the folder `debs` beside."""
    folder, debs = tmp_path / "lists", tmp_path / "debs"
    debs.mkdir()
    write_deb(debs, "selcon-test-places", "1.0-1", {PLACE: picture()})
    write_list(
        folder, "places", [entry(PLACE, picture(), "pictures/place.png", use=["background", "negative"])],
        kind="picture",
    )  # fmt: skip
    put_library(tmp_path, furniture())
    return folder


def put_library(folder: Path, library: bytes) -> None:
    write_deb(folder / "debs", "selcon-test-meshes", "1.0-1", {LIBRARY: library})
    hammer = entry(
        "lib/hammer/hammer.obj", OBJ, "meshes/lib/hammer/hammer.obj", archive=LIBRARY, use=["object"],
        category="hammer", size_cm=[30, 10, 3], icon="lib/hammer.png",
    )  # fmt: skip
    hashes = {LIBRARY: hashlib.sha256(library).hexdigest()}
    write_list(folder / "lists", "meshes", [hammer], kind="mesh", archives=hashes)


def gather(folder: Path, **options: bool) -> collect.Collected:
    sources = read_sources(folder / "lists")
    return collect.collect(folder / "out", sources, folder / "debs", progress=False, **options)


def test_files_lie_in_the_folder_as_in_the_packages(tmp_path: Path, lists: Path) -> None:
    summary = gather(tmp_path).summary()
    assert summary == {
        "files": 2, "written": 5, "kinds": {"mesh": 1, "picture": 1},
        "uses": {"background": 1, "negative": 1, "object": 1},
    }  # fmt: skip
    media = json.loads((tmp_path / "out/media.json").read_text())
    mesh, place = media["files"]
    assert media["format"] == 1
    expected = entry("pictures/place.png", picture(), "", use=["background", "negative"])
    expected |= {"kind": "picture", "package": "selcon-test-places", "version": "1.0-1"}
    assert place == {key: value for key, value in expected.items() if key != "to"}
    assert (tmp_path / "out/pictures/place.png").read_bytes() == picture()
    assert mesh["size_cm"] == [30, 10, 3] and mesh["rotation"] == [1, 0, 0, 0, 1, 0, 0, 0, 1]
    assert mesh["materials"] == ["iron", "handle"]
    assert mesh["beside"] == ["bump.png", "hammer.mtl", "iron skin.png"]


def test_materials_name_only_what_lies_beside_them(tmp_path: Path, lists: Path) -> None:
    gather(tmp_path)
    folder = tmp_path / "out/meshes/lib/hammer"
    assert (folder / "hammer.mtl").read_text() == (
        "newmtl iron\nKd 0.5 0.5 0.5\nmap_Kd iron skin.png\nmap_Bump -bm 0.5 bump.png\nnewmtl handle\n"
    )
    assert {path.name for path in folder.iterdir()} == {
        "hammer.obj", "hammer.mtl", "iron skin.png", "bump.png",
    }  # fmt: skip


def test_a_sheet_for_each_use(tmp_path: Path, lists: Path) -> None:
    gather(tmp_path)
    sheets = {path.stem: cv2.imread(str(path)) for path in (tmp_path / "out/sheets").iterdir()}
    assert set(sheets) == {"background", "negative", "object"}
    # A picture of 16 by 12 is enlarged to 128 pixels; the rest of the row is white.
    assert sheets["negative"][:96, :128].std() > 20 and sheets["negative"][:96, 300:].min() > 250


def test_a_second_run_writes_nothing(tmp_path: Path, lists: Path) -> None:
    gather(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out/pictures").rglob("*")}
    first = (tmp_path / "out/media.json").read_bytes()
    assert gather(tmp_path).written == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (tmp_path / "out/media.json").read_bytes() == first
    (tmp_path / "out/pictures/place.png").write_bytes(b"scratched")
    assert gather(tmp_path).written == 1
    assert (tmp_path / "out/pictures/place.png").read_bytes() == picture()


@pytest.mark.parametrize("what", ["picture", "mesh", "archive", "missing"])
def test_what_does_not_match_is_refused_by_name(tmp_path: Path, lists: Path, what: str) -> None:
    if what == "picture":
        write_deb(tmp_path / "debs", "selcon-test-places", "1.0-1", {PLACE: picture(9)})
        says = f"does not match the list places: {PLACE} (another hash); apt-get download "
    elif what == "missing":
        write_deb(tmp_path / "debs", "selcon-test-places", "1.0-1", {PLACE + ".old": picture()})
        says = f"{PLACE} (missing)"
    elif what == "archive":
        write_deb(tmp_path / "debs", "selcon-test-meshes", "1.0-1", {LIBRARY: furniture({"x": b""})})
        says = f"does not match the list meshes: {LIBRARY} (another hash)"
    else:
        put_library(tmp_path, furniture({"lib/hammer/hammer.obj": OBJ + b"# more\n"}))
        says = "does not match the list meshes: lib/hammer/hammer.obj (another hash)"
    with pytest.raises(MediaError) as error:
        gather(tmp_path)
    assert says in str(error.value)
    assert not (tmp_path / "out/media.json").exists()


def test_missing_packages_are_named_with_what_downloads_them(tmp_path: Path, lists: Path) -> None:
    for path in (tmp_path / "debs").iterdir():
        path.unlink()
    with pytest.raises(MediaError) as error:
        gather(tmp_path)
    assert "selcon-test-places 1.0-1: apt-get download selcon-test-places=1.0-1" in str(error.value)
    assert "apt-get download selcon-test-meshes=1.0-1" in str(error.value)
    assert "--download" in str(error.value)
    assert not (tmp_path / "out").exists()


def test_downloading_takes_a_folder_and_tells_what_apt_said(
    tmp_path: Path, lists: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "debs/selcon-test-places_1.0-1_all.deb").unlink()
    sources = read_sources(lists, only=["places"])
    with pytest.raises(MediaError, match="--download needs --deb-folder"):
        collect.collect(tmp_path / "out", sources, None, download=True, progress=False)
    tools = tmp_path / "bin"
    tools.mkdir()
    # apt-get as it ends without the package, and then as it brings it.
    (tools / "apt-get").write_text("#!/bin/sh\necho 'E: no selcon-test-places' >&2; exit 100\n")
    (tools / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=os.pathsep)
    with pytest.raises(MediaError, match="left no .*: E: no selcon-test-places; get the file by hand"):
        gather(tmp_path, download=True)
    kept = write_deb(tmp_path, "selcon-test-places", "1.0-1", {PLACE: picture()})
    asked = "download selcon-test-places=1.0-1"
    (tools / "apt-get").write_text(f'#!/bin/sh\n[ "$*" = "{asked}" ] && cp {kept} .\n')
    assert gather(tmp_path, download=True).summary()["files"] == 2


def test_installed_packages_do(tmp_path: Path, lists: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "DEBIAN_ROOT", tmp_path / "root")
    place = tmp_path / "root" / PLACE
    place.parent.mkdir(parents=True)
    place.write_bytes(picture())
    sources = read_sources(lists, only=["places"])
    assert collect.collect(tmp_path / "out", sources, progress=False).summary()["files"] == 1
    place.write_bytes(b"")
    with pytest.raises(MediaError, match="selcon-test-places as installed does not match the list places"):
        collect.collect(tmp_path / "out", sources, progress=False)


def test_files_of_wheels(tmp_path: Path, lists: Path) -> None:
    wheel = tmp_path / "debs/selcon_test_wheel-2.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("data/wood.png", picture(5))
    write_list(
        lists, "wheel", [entry("data/wood.png", picture(5), "textures/wood.png", use=["texture"])],
        kind="texture", registry="pypi", version="2.0",
    )  # fmt: skip
    assert gather(tmp_path).summary()["uses"]["texture"] == 1
    wheel.write_bytes(b"PK no wheel")
    with pytest.raises(MediaError, match=r"any.whl: it is not a readable .zip"):
        gather(tmp_path)


def test_a_damaged_deb_is_named(tmp_path: Path, lists: Path) -> None:
    (tmp_path / "debs/selcon-test-places_1.0-1_all.deb").write_bytes(b"!<arch>\nnot at all")
    with pytest.raises(MediaError, match=r"places_1.0-1_all.deb is no readable .deb"):
        gather(tmp_path)


def test_without_dpkg_the_message_says_where_to_go(
    tmp_path: Path, lists: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MediaError, match="there is no dpkg-deb here, which reads selcon-test-meshes_1.0-1"):
        gather(tmp_path)


def test_sizes_are_bounded(tmp_path: Path, lists: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(packages, "MAX_FILE_BYTES", len(picture()) - 1)
        with pytest.raises(MediaError, match="has more than the .* bytes"):
            gather(tmp_path)
    monkeypatch.setattr(collect, "MAX_FILE_BYTES", len(OBJ) - 1)
    with pytest.raises(MediaError, match=r"lib.sh3f: lib/hammer/hammer.obj has more than the .* allowed"):
        gather(tmp_path)


@pytest.mark.parametrize("names", [b"mtllib ../secret.png\n", b"mtllib other.mtl\n"])
def test_materials_elsewhere_are_refused(tmp_path: Path, lists: Path, names: bytes) -> None:
    put_library(tmp_path, furniture({"lib/hammer/hammer.obj": names + OBJ}))
    path = lists / "meshes.json"
    value = json.loads(path.read_text())
    value["files"][0]["sha256"] = hashlib.sha256(names + OBJ).hexdigest()
    path.write_text(json.dumps(value))
    with pytest.raises(MediaError, match=r"lib.sh3f: lib/hammer/hammer.obj names the materials"):
        gather(tmp_path)


def test_files_of_qt_resources(tmp_path: Path) -> None:
    core = pytest.importorskip("PySide6.QtCore", reason="needs PySide6: pip install 'selcon_ros[media]'")
    rcc = Path(core.__file__).parent / "Qt/libexec/rcc"
    (tmp_path / "sea.png").write_bytes(picture(7))
    (tmp_path / "x.qrc").write_text('<RCC><qresource prefix="/app"><file>sea.png</file></qresource></RCC>')
    subprocess.run([str(rcc), "--binary", "x.qrc", "-o", "x.rcc"], cwd=tmp_path, check=True)
    content = (tmp_path / "x.rcc").read_bytes()
    with archives.open_archive("x.rcc", content) as archive:
        assert archive.read("app/sea.png", 1 << 20) == picture(7)
        with pytest.raises(MediaError, match="has more than the 9 bytes"):
            archive.read("app/sea.png", 9)
        with pytest.raises(MediaError, match="missing"):
            archive.read("app/no.png", 9)
    with pytest.raises(MediaError, match=r"x.rcc: it is no readable .rcc"):
        archives.open_archive("x.rcc", b"x").__enter__()


def test_the_command_prints_counts_or_json(
    tmp_path: Path, lists: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "LISTS_FOLDER", lists)
    call = ["tabletop", "media", str(tmp_path / "out"), "--deb-folder", str(tmp_path / "debs")]
    done = CliRunner().invoke(main, [*call, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["uses"] == {"background": 1, "negative": 1, "object": 1}
    done = CliRunner().invoke(main, [*call, "--only", "places"])
    assert "1 files in" in done.output and "1 background, 1 negative" in done.output
    done = CliRunner().invoke(main, [*call, "--only", "plces"])
    assert done.exit_code == 1 and "no list called 'plces'; there are meshes, places" in done.output
    assert "Traceback" not in done.output


def test_large_packages_are_collected_where_they_are_asked_for(lists: Path) -> None:
    file = entry(PLACE, picture(), "textures/wood.png", use=["texture"])
    write_list(lists, "big", [file], kind="texture", large=True)

    def names(**asked: object) -> list[str]:
        return [source.name for source in read_sources(lists, **asked)]

    assert names(large=False) == ["meshes", "places"]
    assert names(large=True) == ["big", "meshes", "places"]
    assert names(only=["big"], large=False) == ["big"]
