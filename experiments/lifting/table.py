"""Rates of the trials: in all, by kind, by cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from experiments.lifting.trials import TrialPlan, TrialRow
from selcon_tabletop.objects import TRAINED


def summary(plan: TrialPlan, rows: Sequence[TrialRow]) -> dict[str, Any]:
    """Return the figures of a plan's rows."""
    kinds = list(dict.fromkeys(row.kind for row in rows))
    return {
        "way": plan.name,
        "seed": plan.seed,
        "trials": len(rows),
        "lifted": sum(row.lifted for row in rows),
        "rate": round(sum(row.lifted for row in rows) / max(len(rows), 1), 4),
        "trained kinds": _share([row for row in rows if row.kind in TRAINED]),
        "held-out kinds": _share([row for row in rows if row.kind not in TRAINED]),
        "causes": dict(Counter(row.cause for row in rows).most_common()),
        "why none": dict(Counter(row.why for row in rows if row.cause == "no grasp").most_common()),
        "kinds": {kind: _share([row for row in rows if row.kind == kind]) for kind in kinds},
    }


def _share(rows: Sequence[TrialRow]) -> str:
    return f"{sum(row.lifted for row in rows)}/{len(rows)}"


def markdown(summaries: Sequence[dict[str, Any]]) -> str:
    """Return a table of kinds × ways and one of causes."""
    names = [each["way"] for each in summaries]
    lines = ["| kind | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for kind in dict.fromkeys(kind for each in summaries for kind in each["kinds"]):
        lines.append(f"| {kind} | " + " | ".join(each["kinds"].get(kind, "") for each in summaries) + " |")
    for title, key in (("trained kinds", "trained kinds"), ("held-out kinds", "held-out kinds")):
        lines.append(f"| {title} | " + " | ".join(each[key] for each in summaries) + " |")
    rates = [f"{100 * each['rate']:.1f} % of {each['trials']}" for each in summaries]
    lines += ["| all | " + " | ".join(rates) + " |", ""]
    lines += ["| cause | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for cause in dict.fromkeys(cause for each in summaries for cause in each["causes"]):
        lines.append(
            f"| {cause} | " + " | ".join(str(each["causes"].get(cause, 0)) for each in summaries) + " |"
        )
    return "\n".join(lines) + "\n"
