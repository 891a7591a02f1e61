"""The parts of an evaluation that several processes share, as files: each process writes its own, and whoever
finds all of them has the whole."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from selcon_ros.core.files.atomic_write import write_file
from selcon_ros.core.files.json_file import read_object
from selcon_training.errors import DataError
from selcon_training.evaluate.answers import Answers
from selcon_training.ranks import Ranks

PARTS_FOLDER = "parts"
MAX_FILE_BYTES = 1 << 30
"""Bytes of a part: a million queries take half of it."""


class EvaluationParts:
    """The parts in a folder of the evaluation that `identity` describes, with everything that decides its
    result. Parts of another evaluation, which a former call has left there, count for nothing.
    """

    def __init__(self, folder: Path, ranks: Ranks, identity: Mapping[str, Any]) -> None:
        self.folder, self.ranks = folder / PARTS_FOLDER, ranks
        self._identity = json.loads(json.dumps(identity))

    def path(self, rank: int) -> Path:
        """The file of a process."""
        return self.folder / f"{rank}_of_{self.ranks.count}.json"

    def write(self, answers: Sequence[Answers]) -> None:
        """Write this process's part: the answers of each of its pictures. Raises OSError."""
        content = {"evaluation": self._identity, "pictures": [each.as_json() for each in answers]}
        write_file(self.path(self.ranks.rank), json.dumps(content).encode())

    def has_own(self) -> bool:
        """Whether this process's part is there. Raises DataError for a file that cannot be read."""
        return self._read(self.ranks.rank) is not None

    def whole(self) -> list[Answers] | None:
        """The answers of every picture in order, None while parts are missing. Raises DataError."""
        parts = [self._read(rank) for rank in range(self.ranks.count)]
        found = [part for part in parts if part is not None]
        if len(found) < len(parts):
            return None
        count = sum(map(len, found))
        return [found[number % len(found)][number // len(found)] for number in range(count)]

    def _read(self, rank: int) -> list[Answers] | None:
        path = self.path(rank)
        if not path.exists():
            return None
        content = read_object(path, DataError, MAX_FILE_BYTES, finite=False)
        if content.get("evaluation") != self._identity:
            return None
        try:
            return [Answers.of_json(each) for each in content["pictures"]]
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path} is not a part of an evaluation ({error!r}): delete it") from None
