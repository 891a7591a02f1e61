"""Where a command is to write is looked at before it works, and named in one line if it cannot be."""

import os
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from selcon_ros.cli.main import main
from support.disk import without_rights

FILES = [
    ("ground", "x.jpg", "--action", "hold", "--out"),
    ("data", "check", ".", "--out"),
    ("encoders", "fetch", "name", "--out"),
    ("bench", "--out"),
    ("bench", "engines", "--out"),
]
FOLDERS = [
    ("evaluate", "bundle", "data", "--out"),
    ("adapt", ".", "--out", "new", "--report"),
    ("distill", ".", ".", "--out", "new", "--report"),
    ("distill", ".", ".", "--out", "new", "--work"),
    ("audit", ".", "--out"),
    ("ablate", __file__, "--out"),
    ("demo", "--out"),
    ("tabletop", "render"),
    ("tabletop", "record"),
    ("tabletop", "pretrain", ".", "--out"),
    ("tabletop", "build", "--out", "new", "--work"),
]
BUNDLES = [
    ("export", "checkpoint", "--out"),
    ("import-official", "x.pth", "--divide", "Seen", "--out"),
    ("quantize", "bundle", "--out"),
    ("adapt", ".", "--out"),
    ("distill", ".", ".", "--out"),
    ("tune", "bundle", "data", "--out"),
    ("fit-confidence", "bundle", "data", "--negatives", ".", "--out"),
    ("tabletop", "build", "--work", "new", "--out"),
]
PAGES = [("explain", "run", "x.jpg", "--action", "hold", "--out")]


def refused(arguments: tuple[str, ...], place: Path) -> str:
    result = CliRunner().invoke(main, [*arguments, str(place)])
    assert result.exit_code == 1 and str(place) in result.output
    lines = result.output.splitlines()
    assert len(lines) == 1 and lines[0].startswith("Error: ")
    return lines[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("kept")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.tex").write_text("kept")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


@pytest.mark.parametrize("arguments", [*FILES, *FOLDERS, *BUNDLES, *PAGES], ids=" ".join)
def test_below_a_file(arguments: tuple[str, ...], folder: Path) -> None:
    assert "ot a " in refused(arguments, folder / "file" / "out")
    assert (folder / "file").read_text() == "kept"


@pytest.mark.parametrize("arguments", [*FILES, *FOLDERS, *BUNDLES, *PAGES], ids=" ".join)
def test_onto_a_pipe(arguments: tuple[str, ...], folder: Path) -> None:
    refused(arguments, folder / "pipe")
    assert (folder / "pipe").is_fifo()


@pytest.mark.parametrize("arguments", FILES, ids=" ".join)
def test_a_file_onto_a_folder(arguments: tuple[str, ...], folder: Path) -> None:
    assert "Is a directory" in refused(arguments, folder / "folder")


@pytest.mark.parametrize("arguments", FOLDERS, ids=" ".join)
def test_a_folder_onto_a_file(arguments: tuple[str, ...], folder: Path) -> None:
    assert "Not a directory" in refused(arguments, folder / "file")


@pytest.mark.parametrize("arguments", BUNDLES, ids=" ".join)
def test_a_bundle_onto_what_is_none(arguments: tuple[str, ...], folder: Path) -> None:
    assert "exists and is not a bundle: it is left alone" in refused(arguments, folder / "folder")
    assert "exists and is not a bundle: it is left alone" in refused(arguments, folder / "file")


@pytest.mark.parametrize("arguments", [FILES[0], FOLDERS[0], BUNDLES[0], PAGES[0]], ids=" ".join)
def test_into_a_folder_without_the_right(arguments: tuple[str, ...]) -> None:
    with tempfile.TemporaryDirectory() as name:  # not tmp_path: its parents are closed to others
        Path(name).chmod(0o555)
        with without_rights():
            assert "cannot be written to" in refused(arguments, Path(name) / "new" / "out")


def test_a_bundle_is_replaced_in_the_folder_that_it_lies_in() -> None:
    with tempfile.TemporaryDirectory() as name:
        bundle = Path(name) / "bundle"
        bundle.mkdir()
        bundle.chmod(0o777)
        Path(name).chmod(0o555)
        with without_rights():
            assert f"the folder {name} cannot be written to" in refused(BUNDLES[0], bundle)
