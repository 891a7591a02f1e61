"""Which subcommands `selcon` has: its own, and those that other packages add by entry points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import click

from selcon_ros.plugins import plugins

ENTRY_POINT_GROUP = "selcon.commands"
"""The group of entry points. The value of each is a table like `COMMANDS`."""


class Command(NamedTuple):
    """A subcommand: the module that has it as `command`, imported when it is used, and its line in the
    help."""

    module: str
    summary: str


COMMANDS = {
    "ground": Command(
        "selcon_ros.cli.ground", "Ground an action in pictures: overlays, heatmaps and grasp points."
    ),
    "ground-bag": Command(
        "selcon_ros.cli.ground_bag", "Ground every image of a bag: new bag, table and page."
    ),
    "engine": Command("selcon_ros.cli.engine", "Build, check and list engines for NVIDIA GPUs."),
    "demo": Command(
        "selcon_ros.cli.demo", "Run the real node on the packaged recording and leave its pictures."
    ),
    "view": Command(
        "selcon_ros.cli.view", "Show a node, a recording, a picture or a webcam live in a browser."
    ),
    "play": Command("selcon_ros.cli.play", "Publish a recording as camera topics."),
    "doctor": Command("selcon_ros.cli.doctor", "Look for what keeps the node from working here."),
    "bench": Command("selcon_ros.cli.bench", "Measure latency and throughput on this machine."),
}

HELP_ORDER = (
    "ground",
    "ground-bag",
    "import-official",
    "export",
    "data",
    "train",
    "adapt",
    "encoders",
    "evaluate",
    "table",
    "explain",
    "ablate",
    "audit",
    "tune",
    "average",
    "fit-presence",
    "fit-confidence",
    "quantize",
    "engine",
    "tabletop",
    "demo",
    "view",
    "play",
    "doctor",
    "bench",
)
"""In the help; others follow."""
CLONE_COMMANDS = ("ablate", "audit")
"""Commands of experiments/, which is not installed."""


def find_command(name: str) -> Command | None:
    """Return the command of this name, None if there is none; packages are asked only for what is not our
    own."""
    return COMMANDS.get(name) or all_commands().get(name)


def all_commands() -> dict[str, Command]:
    """Return every command by name, in the help's order. Packages that cannot be imported are named on
    stderr, and left out."""
    found: dict[str, Command] = {}
    for name, plugin in plugins(ENTRY_POINT_GROUP).items():
        try:
            table: Mapping[str, Command] = plugin.load()
        except (ImportError, AttributeError) as error:
            click.echo(f"commands of {name} ({plugin.value}) are left out: {error}", err=True)
            continue
        found |= table
    found |= COMMANDS  # no package can replace these
    first = [name for name in HELP_ORDER if name in found]
    return {name: found[name] for name in dict.fromkeys([*first, *found])}
