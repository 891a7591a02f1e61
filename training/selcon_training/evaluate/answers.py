"""What an evaluation measures: one row per query, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from selcon_training.evaluate.measures import Scores


@dataclass(frozen=True)
class QueryRow:
    """One query's figures. `distance` (m): top 3D grasp point to the part's nearest visible point, None
    without. `others`: the scores under the other calibrations."""

    picture: str
    action: str
    objects: tuple[str, ...]
    kld: float
    sim: float
    nss: float
    right: bool
    confidence: float
    grasps: int
    distance: float | None
    others: Mapping[str, Scores] = field(default_factory=dict)


@dataclass(frozen=True)
class NegativeRow:
    """The answer to a negative query: one about an action that the picture does not afford."""

    picture: str
    action: str
    confidence: float
    grasps: int


@dataclass
class Answers:
    """Rows, in the order of the pictures; of one picture or of many."""

    rows: list[QueryRow] = field(default_factory=list)
    negatives: list[NegativeRow] = field(default_factory=list)
    other_negatives: dict[str, list[NegativeRow]] = field(default_factory=dict)
    """Of negative queries beside the split's own, by where they come from (see `negatives.py`)."""
    left_out: dict[str, list[str]] = field(default_factory=dict)

    def add(self, other: Answers) -> None:
        """Put the answers of further pictures behind these."""
        self.rows += other.rows
        self.negatives += other.negatives
        for source, answers in other.other_negatives.items():
            self.other_negatives.setdefault(source, []).extend(answers)
        for reason, names in other.left_out.items():
            self.left_out.setdefault(reason, []).extend(names)

    def as_json(self) -> dict[str, Any]:
        """The answers as an object of JSON, of which `of_json` makes the same again, to the last bit."""
        return asdict(self)

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> Answers:
        """Raises KeyError, TypeError or AttributeError for an object of another kind."""
        return cls(
            [_row(row) for row in values["rows"]],
            [NegativeRow(**row) for row in values["negatives"]],
            {
                source: [NegativeRow(**row) for row in rows]
                for source, rows in values["other_negatives"].items()
            },
            {reason: list(names) for reason, names in values["left_out"].items()},
        )


def _row(values: Mapping[str, Any]) -> QueryRow:
    others = {name: Scores(**scores) for name, scores in values["others"].items()}
    return QueryRow(**{**values, "objects": tuple(values["objects"]), "others": others})
