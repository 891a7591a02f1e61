"""What a kind of file is: a good one, and what reads it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

Read = Callable[[Path], object]
WIDTH, HEIGHT = 64, 48


@dataclass(frozen=True)
class Subject:
    """A kind of file.

    make: writes a good one into an empty folder; spoiled: patterns of the files of which one is damaged;
    read: reads what is in the folder; foreign: the library that is handed the damaged bytes as they are,
    since the file's author vouches for them
    """

    name: str
    make: Callable[[Path], object]
    spoiled: Sequence[str]
    read: Read
    weight: float = 1.0
    foreign: str = ""


def command(*arguments: object) -> None:
    """Run `selcon` in this process; what it refuses is raised as the error that a user sees."""
    import click
    from click.testing import CliRunner

    from selcon_ros.cli.main import main

    done = CliRunner().invoke(main, [str(each) for each in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    if "Traceback" in done.output:
        raise RuntimeError(f"a traceback in what the command says: {done.output}")
    if done.exit_code not in (0, 1, 2):
        raise RuntimeError(f"exit status {done.exit_code}: {done.output}")
    if done.exit_code and done.output.strip().startswith(("Error", "Usage")):
        raise click.ClickException(done.output.strip())
