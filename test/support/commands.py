"""Running commands in the process of the test."""

import inspect

from click.testing import CliRunner


def runner() -> CliRunner:
    """A runner whose results have standard output and errors apart, as all have from click 8.2 on."""
    if "mix_stderr" in inspect.signature(CliRunner).parameters:
        return CliRunner(mix_stderr=False)
    return CliRunner()
