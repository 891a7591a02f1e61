"""What the documents point to exists, and the commands they show are real."""

import re
from pathlib import Path

import click
import pytest

from selcon_ros.cli.commands import all_commands
from selcon_ros.cli.main import main

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    missing = [each for each in targets if "://" not in each and not (page.parent / each).exists()]
    assert not missing, f"{page.name} points to {missing}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_configuration_files_named_in_commands_exist(page: Path) -> None:
    named = set(re.findall(r"training/configs/[\w.]+\.yaml", page.read_text()))
    missing = [each for each in named if not (ROOT / each).is_file()]
    assert not missing, f"{page.name} names {missing}"


def test_the_readme_names_every_command_and_no_other() -> None:
    shown = set(re.findall(r"selcon ([a-z][\w-]+)", (ROOT / "README.md").read_text()))
    assert shown - {"COMMAND"} == set(all_commands())


def test_every_command_has_an_example() -> None:
    context = click.Context(main)
    for name in all_commands():
        try:
            command = main.get_command(context, name)
        except click.ClickException as error:
            pytest.skip(f"selcon {name}: {error.message}")
        assert command is not None and "Example" in (command.help or ""), (
            f"selcon {name} --help has no example"
        )
