"""`~` in the paths of every command."""

from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from selcon_ros.cli.commands import all_commands
from selcon_ros.cli.main import main
from selcon_ros.cli.paths import UserPath
from selcon_ros.core.errors import SelconError
from selcon_ros.core.files.user_path import user_path


def commands() -> list[click.Command]:
    """Every command, with the subcommands of groups."""
    found: list[click.Command] = []
    waiting = [import_module(entry.module).command for entry in all_commands().values()]
    while waiting:
        command = waiting.pop()
        found.append(command)
        waiting += command.commands.values() if isinstance(command, click.Group) else []
    return found


def test_every_path_of_every_command_is_of_this_type() -> None:
    paths = [
        (command.name, parameter)
        for command in commands()
        for parameter in command.params
        if isinstance(parameter.type, click.Path)
    ]
    assert len(paths) > 40
    assert [(name, each.name) for name, each in paths if not isinstance(each.type, UserPath)] == []


def test_the_home_folder_is_put_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_path("~/a b/$X", SelconError) == tmp_path / "a b/$X"
    assert user_path("./~x", SelconError) == Path.cwd() / "~x"
    assert user_path("a~b/~", SelconError) == Path("a~b/~")
    result = CliRunner().invoke(main, ["ground", "~/mug.png", "--action", "hold"])
    assert result.exit_code == 1 and f"cannot read {tmp_path}/mug.png" in result.output


def test_the_home_folder_is_put_in_for_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="needs torch: pip install 'selcon_ros[train]'")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "data").mkdir()
    result = CliRunner().invoke(main, ["data", "check", "~/data"])
    assert result.exit_code == 1 and f"{tmp_path}/data holds no split" in result.output
    result = CliRunner().invoke(main, ["tabletop", "pretrain", "~/data", "--out=~/none", "--epochs", "0"])
    assert "epochs" in result.output and "does not exist" not in result.output


def test_a_user_who_is_not_there_is_named() -> None:
    result = CliRunner().invoke(main, ["data", "check", "~no-such-user/data"])
    assert result.exit_code == 2 and "there is no home folder for ~no-such-user" in result.output
