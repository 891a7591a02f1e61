"""Entry points: of installed packages, and of a clone that is not installed."""

import os
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from types import ModuleType

import pytest

import experiments.commands as studies
import selcon_tabletop
import selcon_training.cli
from selcon_ros.cli import commands

ROOT = Path(__file__).parents[1]
THIRD = """
from selcon_ros.cli.commands import Command
COMMANDS = {
    "third": Command("third_command", "Do a third thing."),
    "ground": Command("third_command", "Mine."),
}
"""
COMMAND = """
import click
@click.command()
def command():
    print("third thing done")
"""


def selcon(path: list[Path], *words: str) -> "subprocess.CompletedProcess[str]":
    """Run `selcon` with nothing but click and `path` to import."""
    code = (
        f"import sys, click; sys.path[:] = {[str(each) for each in path]!r} + [p for p in sys.path "
        "if not p.endswith('-packages')]; from selcon_ros.cli.main import main; main()"
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, env=environment, cwd=path[0]
    )


@pytest.fixture
def third(tmp_path: Path) -> Path:
    """An installed package that adds a command."""
    folder = tmp_path / "third"
    (folder / "third-1.0.dist-info").mkdir(parents=True)
    (folder / "third-1.0.dist-info" / "METADATA").write_text("Name: third\nVersion: 1.0\n")
    (folder / "third-1.0.dist-info" / "entry_points.txt").write_text(
        "[selcon.commands]\nthird = third_table:COMMANDS\nbroken = third_missing:COMMANDS\n"
    )
    (folder / "third_table.py").write_text(THIRD)
    (folder / "third_command.py").write_text(COMMAND)
    return folder


def test_a_clone_that_is_not_installed_has_the_commands_of_training() -> None:
    done = selcon([ROOT], "train", "--help")
    assert done.returncode == 0 and "Train the network from the YAML file CONFIG." in done.stdout, done.stderr


def test_what_only_a_clone_has_is_named_where_it_is_not() -> None:
    assert set(commands.CLONE_COMMANDS) == set(studies.COMMANDS)


def test_a_package_adds_commands_and_replaces_none(third: Path) -> None:
    done = selcon([ROOT, third], "third")
    assert done.stdout == "third thing done\n", done.stderr
    done = selcon([ROOT, third], "--help")
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert any(line.startswith("third ") for line in lines) and "Mine." not in done.stdout
    assert "commands of broken (third_missing:COMMANDS) are left out: No module named" in done.stderr


def test_without_training_the_robot_s_commands_are_there(tmp_path: Path) -> None:
    """Installed without training and its metadata, as from a package of a distribution."""
    shutil.copytree(ROOT / "selcon_ros", tmp_path / "selcon_ros", ignore=shutil.ignore_patterns("assets"))
    done = selcon([tmp_path], "--help")
    assert "  ground" in done.stdout and "  train" not in done.stdout, done.stderr
    assert selcon([tmp_path], "train").returncode == 2


def test_a_clone_has_the_studies_and_an_installation_says_where_they_are(tmp_path: Path) -> None:
    done = selcon([ROOT], "--help")
    assert "  ablate " in done.stdout and "  audit " in done.stdout, done.stderr
    for name in ("selcon_ros", "training/selcon_training", "training/selcon_tabletop"):
        shutil.copytree(ROOT / name, tmp_path / Path(name).name, ignore=shutil.ignore_patterns("assets"))
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    metadata = tmp_path / "selcon_ros-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Name: selcon_ros\nVersion: 1.0\n")
    lines = setup.get("options.entry_points", "selcon.commands")
    (metadata / "entry_points.txt").write_text(f"[selcon.commands]\n{lines}\n")
    done = selcon([tmp_path], "--help")
    assert "  train " in done.stdout, done.stderr
    assert "  ablate " not in done.stdout and "  audit " not in done.stdout and not done.stderr
    done = selcon([tmp_path], "audit")
    assert done.returncode == 1
    assert "in a clone of the repository: python -m selcon_ros.cli.start audit" in done.stderr


@pytest.mark.parametrize("table", [commands, selcon_training.cli, selcon_tabletop])
def test_a_table_of_commands_names_modules_of_its_own_package(table: ModuleType) -> None:
    package = table.__name__.partition(".")[0]
    assert {command.module.partition(".")[0] for command in table.COMMANDS.values()} == {package}


def test_a_package_of_the_studies_name_elsewhere_leaves_them_out_silently(tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments/__init__.py").touch()
    path = os.pathsep.join(map(str, (tmp_path, ROOT, ROOT / "training")))
    done = subprocess.run(
        [sys.executable, "-m", "selcon_ros.cli.start", "--help"],
        env=os.environ | {"PYTHONPATH": path}, cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "ground" in done.stdout and "ablate" not in done.stdout and not done.stderr
