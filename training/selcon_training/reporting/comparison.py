"""Several evaluations as Markdown tables, for documents: bundles side by side on each data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selcon_ros.core.files.json_file import read_object
from selcon_ros.core.text import quoted
from selcon_training.errors import DataError

COLUMNS = ("photos", "questions", "right part", "KLD", "with grasp", "kept", "not possible, answered")
NO_VALUE = "–"


@dataclass(frozen=True)
class MeasuredBundle:
    """An evaluation's results.json: of which bundle (the label), and of which data."""

    label: str
    data: str
    tables: dict[str, Any]


def read_measured(label: str, folder: Path) -> MeasuredBundle:
    """Read the results of `selcon evaluate --out FOLDER`. Raises DataError for anything else."""
    path = folder / "results.json"
    tables = read_object(path, DataError)
    missing = [name for name in ("overall", "per_action", "intervals", "publication") if name not in tables]
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)}: evaluate again with this version of selcon")
    parts = [tables.get("data"), tables.get("divide"), tables.get("split")]
    return MeasuredBundle(label, ", ".join(str(part) for part in parts if part and part != "testset"), tables)


def markdown(measured: Sequence[MeasuredBundle]) -> str:
    """A table of all figures, a row per data set and bundle, then the right part by action for each data set.

    Raises DataError for one bundle twice on the same data, and where bundles were asked different questions.
    """
    names = list(dict.fromkeys(one.data for one in measured))
    groups = {name: [one for one in measured if one.data == name] for name in names}
    for name, group in groups.items():
        _check(name, group)
    lines = _head(["data", "bundle", *COLUMNS])
    for name, group in groups.items():
        lines += [_line([name, one.label, *_cells(one.tables)]) for one in group]
    lines += ["", "In brackets: 95 % bootstrap intervals over object folders.", ""]
    for name, group in groups.items():
        lines += [f"Right part by action, {name}:", ""]
        lines += _head(["action", "photos", "questions", *(one.label for one in group)])
        for action, row in group[0].tables["per_action"].items():
            if row["queries"]:
                shown = [_right(one.tables["per_action"][action], _row_of(one, action)) for one in group]
                lines.append(_line([action, row["photos"], row["queries"], *shown]))
        lines.append("")
    return "\n".join(lines)


def _check(name: str, group: Sequence[MeasuredBundle]) -> None:
    labels = [one.label for one in group]
    if len(set(labels)) < len(labels):
        raise DataError(f"{quoted(labels[0])} is given twice for {name}: name every bundle once per data set")
    for one in group[1:]:
        ours, theirs = (
            {action: row["queries"] for action, row in each.tables["per_action"].items() if row["queries"]}
            for each in (group[0], one)
        )
        if ours != theirs:
            raise DataError(
                f"{group[0].label} and {one.label} were asked different questions of {name}: evaluate both "
                "with the same options"
            )


def _cells(tables: dict[str, Any]) -> list[object]:
    overall, found, passing = tables["overall"], tables["intervals"]["overall"], tables["publication"]
    return [
        overall["photos"],
        overall["queries"],
        _right(overall, found),
        _figure(overall["kld"], found["kld"]),
        _share(overall["with_grasp"], found["with_grasp"]),
        _share(passing["overall"]["kept"], None) if passing else NO_VALUE,
        "; ".join(_source(*entry) for entry in passing["sources"].items()) if passing else NO_VALUE,
    ]


def _source(name: str, row: dict[str, Any]) -> str:
    """Questions and photos without hold are said apart: nearly everything can be held."""
    other = row["without_hold"]
    answered, any_of_them = (_share(row[key], None) for key in ("answered", "photos_with_any"))
    less, less_any = (_share(other[key], None) for key in ("answered", "photos_with_any"))
    return (
        f"{name}: {answered} of {row['questions']} (without hold {less}), any in {any_of_them} of "
        f"{row['photos']} photos (without hold {less_any}), AUC {_figure(row['auc'], None)}"
    )


def _row_of(one: MeasuredBundle, action: str) -> dict[str, Any]:
    found: dict[str, Any] = one.tables["intervals"]["per_action"][action]
    return found


def _right(row: dict[str, Any], found: dict[str, Any]) -> str:
    return _share(row["right_part"], found["right_part"])


def _share(value: float | None, ends: Sequence[float] | None) -> str:
    if value is None:
        return NO_VALUE
    return f"{100 * value:.1f} %" + ("" if ends is None else f" [{100 * ends[0]:.0f}, {100 * ends[1]:.0f}]")


def _figure(value: float | None, ends: Sequence[float] | None) -> str:
    if value is None:
        return NO_VALUE
    return f"{value:.2f}" + ("" if ends is None else f" [{ends[0]:.2f}, {ends[1]:.2f}]")


def _head(names: Sequence[str]) -> list[str]:
    return [_line(names), "|" + "---|" * len(names)]


def _line(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
