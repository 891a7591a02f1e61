"""`selcon doctor` as people and scripts use it."""

import json

import pytest
from click.testing import CliRunner, Result

from selcon_ros.cli.main import main


def doctor(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["doctor", "--no-graph", *arguments])


def test_each_line_has_a_level_and_they_are_counted() -> None:
    outcome = doctor()
    lines = [line for line in outcome.output.splitlines() if not line.startswith("      -> ")]
    assert all(line.startswith(("OK    ", "WARN  ", "FAIL  ")) for line in lines[:-1]), outcome.output
    levels = [line.split()[0] for line in lines[:-1]]
    counts = ", ".join(f"{levels.count(level)} {level}" for level in ("OK", "WARN", "FAIL"))
    assert lines[-1] == counts


def test_a_failure_is_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "lab")
    outcome = doctor("--json")
    assert outcome.exit_code == 1
    found = json.loads(outcome.output)
    assert found["ok"] is False
    by_name = {check["name"]: check for check in found["checks"]}
    assert by_name["ROS_DOMAIN_ID"]["level"] == "FAIL" and "export" in by_name["ROS_DOMAIN_ID"]["remedy"]


def test_every_warning_and_failure_says_what_to_do() -> None:
    found = json.loads(doctor("--json").output)
    silent = [
        check
        for check in found["checks"]
        if check["level"] != "OK" and not check["remedy"] and ": " not in check["found"]
    ]
    assert not silent
