"""Cases, failures and the report, alike in both tools."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click
import numpy as np

CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Characters that a terminal or a log file acts on; tab and line feed are none of them."""


@dataclass(frozen=True)
class Failure:
    """Something that was judged wrong: at which case (or cases), in what, and how."""

    cases: str
    where: str
    what: str


@dataclass
class Report:
    """Everything that a run saw."""

    tool: str
    seed: int
    failures: list[Failure] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    figures: dict[str, float] = field(default_factory=dict)

    def fail(self, cases: str, where: str, what: str) -> None:
        """Note a failure and print it at once, with the command that repeats it."""
        self.failures.append(Failure(cases, where, what))
        again = f"tools/{self.tool}.py --seed {self.seed} --only {cases}"
        click.echo(f"\nFAILURE {where}: {what}\n  again: {again}", err=True)

    def finish(self, as_json: Path | None) -> int:
        """Print the summary, write it as JSON if asked to, and return the exit status."""
        click.echo(", ".join(f"{name} {count}" for name, count in sorted(self.counts.items())))
        click.echo(", ".join(f"{name} {value:.4g}" for name, value in self.figures.items()))
        click.echo(f"{len(self.failures)} failures" if self.failures else "no failure")
        if as_json is not None:
            record = {
                "tool": self.tool,
                "seed": self.seed,
                "counts": dict(self.counts),
                "figures": self.figures,
                "failures": [asdict(each) for each in self.failures],
            }
            as_json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        return 1 if self.failures else 0


def generator(seed: int, case: int) -> np.random.Generator:
    """The random numbers of one case, the same whatever ran before it."""
    return np.random.default_rng([seed, case])


def cases(count: int, only: str | None) -> list[int]:
    """The case numbers to run: `count` from 0, or those of `only` (`17` or `17-40`)."""
    if only is None:
        return list(range(count))
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", only)
    if match is None:
        raise click.BadParameter("give a case number or a range, such as 17 or 17-40", param_hint="--only")
    return list(range(int(match[1]), int(match[2] or match[1]) + 1))


def span(numbers: Sequence[int]) -> str:
    """Case numbers as `--only` takes them."""
    return f"{numbers[0]}-{numbers[-1]}" if len(numbers) > 1 else str(numbers[0])


def bad_text(text: str, longest: int) -> str:
    """What is wrong with a text for people: too long, or control characters; empty if nothing."""
    if len(text) > longest:
        return f"{len(text)} characters, at most {longest} are asked for: {text[:120]!r}…"
    if CONTROL_CHARACTERS.search(text):
        return f"control characters in {text[:200]!r}"
    return ""


def choose(random: np.random.Generator, options: Mapping[str, float]) -> str:
    """One of the names, by weight."""
    weights = np.array(list(options.values()), float)
    return str(random.choice(list(options), p=weights / weights.sum()))


def root() -> Path:
    """The source tree; its packages and test support can be imported after this call."""
    tree = Path(__file__).resolve().parents[2]
    for folder in (tree, tree / "training", tree / "test"):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    return tree
