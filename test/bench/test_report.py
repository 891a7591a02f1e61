"""What the benchmark page says of a measurement."""

from pathlib import Path

import pytest

from selcon_ros.bench.report import ENGINES, ReportRow, into_page, markdown, show
from selcon_ros.core.errors import SelconError
from selcon_ros.core.machine.timing import Times, time_alternately


def test_rows_know_whether_they_keep_their_limit() -> None:
    assert ReportRow("latency", 59.9, "ms", at_most=60).met is True
    assert ReportRow("latency", 60.1, "ms", at_most=60).met is False
    assert ReportRow("rate", 19.0, "Hz", at_least=20).met is False
    assert ReportRow("rate", 20.0, "Hz", at_least=20).met is True
    assert ReportRow("free", 1.0, "ms").met is None


def test_a_missed_target_is_written_out() -> None:
    rows = [
        ReportRow("latency", 71.25, "ms", "p95 90 ms", at_most=60),
        ReportRow("ratio", 0.842, "", at_most=0.9),
    ]
    page = markdown(rows, {"CPU": "Test CPU 3000"}, ["Measured by hand."])
    assert "| latency | 71.2 ms (p95 90 ms) | ≤ 60 ms | **no** |" in page
    assert "| ratio | 0.84 | ≤ 0.9 | yes |" in page
    assert "| CPU | Test CPU 3000 |" in page
    assert "- Measured by hand." in page


def test_functions_take_turns_and_leaves_out_each_blocks_first_run() -> None:
    calls: list[str] = []
    times = time_alternately(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=2, runs=3
    )
    assert "".join(calls) == "aaaabbbb" * 2
    assert times["a"].count == times["b"].count == 6
    assert 0 <= times["a"].median <= times["a"].p95


def test_no_runs_have_no_median() -> None:
    with pytest.raises(ValueError, match="no runs"):
        Times.of([])


def test_what_was_not_measured_says_why_and_keeps_no_limit() -> None:
    row = ReportRow("on a GPU", None, "min", "no GPU here", at_most=10)
    assert row.met is None
    assert "| on a GPU | not measured (no GPU here) | ≤ 10 min |  |" in markdown([row], {}, [])


def test_a_chapter_takes_the_place_of_its_former_self_and_leaves_the_others() -> None:
    speed = markdown([ReportRow("a", 1.0, "s")], {}, ["first"])
    training = markdown([ReportRow("b", 2.0, "s")], {}, ["second"], ENGINES)
    page = into_page(into_page("", speed), training)
    assert page.startswith("# Speed\n") and "\n# Engines\n" in page
    slower = markdown([ReportRow("a", 9.0, "s")], {}, ["third"])
    again = into_page(page, slower)
    assert "first" not in again and again.count("# Speed\n") == 1
    assert again.index("third") < again.index("second")
    assert into_page(again, training) == again


def test_what_was_measured_is_shown_before_a_page_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "latin.md").write_bytes(b"caf\xe9")
    row = ReportRow("latency", 3.25, "ms")
    with pytest.raises(SelconError, match="latin.md is not UTF-8 text"):
        show([row], {}, [], ("Speed", "of it"), tmp_path / "latin.md", as_json=False)
    assert "3.25 ms" in capsys.readouterr().out
    assert (tmp_path / "latin.md").read_bytes() == b"caf\xe9"
