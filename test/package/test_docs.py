"""What the documents point to exists, and the commands they show are real."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

import selcon_ros
from selcon_ros.cli.commands import all_commands
from selcon_ros.cli.main import main

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS]
FOLDERS = "selcon_ros|training|benchmarks|experiments|test|docs|config|launch|tools|findings"


def anchors(page: Path) -> Iterator[str]:
    """Yield the anchors of a page's headings, as GitHub and the site make them."""
    for heading in re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading).strip().lower()
        yield re.sub(r"[ ]", "-", plain)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    missing = []
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)]*))?\)", page.read_text()):
        file = page.parent / target if target else page
        if "://" in target:
            continue
        if not file.exists() or (anchor and anchor not in anchors(file)):
            missing.append(f"{target}#{anchor}")
    assert not missing, f"{page.name} points to {missing}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_folders_named_in_a_page_exist(page: Path) -> None:
    named = set(re.findall(rf"(?<![\w/.])(?:{FOLDERS})/[\w./]*\w", page.read_text()))
    missing = sorted(each for each in named if not (ROOT / each).exists())
    assert not missing, f"{page.name} names {missing}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_modules_run_in_examples_exist(page: Path) -> None:
    modules = set(re.findall(r"python3? -m ([\w.]+\w)", page.read_text())) - {"colcon", "pytest", "venv"}
    places = {name: [base / name.replace(".", "/") for base in (ROOT, ROOT / "training")] for name in modules}
    missing = [
        name
        for name, paths in places.items()
        if not any(path.with_suffix(".py").is_file() or (path / "__main__.py").is_file() for path in paths)
    ]
    assert not missing, f"{page.name} runs {missing}"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 100


def test_one_page_lists_every_command_and_no_other() -> None:
    rows = re.findall(r"^\| (`selcon .*?) \|", (ROOT / "docs" / "commands.md").read_text(), re.MULTILINE)
    assert set(re.findall(r"selcon ([a-z][\w-]+)", " ".join(rows))) == set(all_commands())


@pytest.mark.parametrize("page", [*PAGES[:2], *DOCS], ids=lambda page: page.name)
def test_commands_in_examples_exist(page: Path) -> None:
    blocks = re.findall(r"^```\w*\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    shown = set(re.findall(r"(?:^|[/ ])selcon ([a-z][\w-]+)", "\n".join(blocks), re.MULTILINE))
    assert shown <= set(all_commands()), f"{page.name} shows {sorted(shown - set(all_commands()))}"


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


def test_changelog_and_citation_know_the_version() -> None:
    assert f"## [{selcon_ros.__version__}]" in (ROOT / "CHANGELOG.md").read_text()
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == selcon_ros.__version__
