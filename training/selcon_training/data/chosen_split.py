"""A split of a data set that a command is given, and one on which something may be chosen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from selcon_training.data.agd20k import TEST_SPLITS, DataSet, open_dataset
from selcon_training.errors import DataError


@dataclass(frozen=True)
class ChosenSplit:
    """A split of the data set in `root`; `limit` is how many pictures to take, `skip` lists files to leave
    out."""

    root: Path
    divide: str | None = None
    split: str = "valset"
    limit: int | None = None
    skip: Path | None = None

    def open(self) -> DataSet:
        """Open the data set. Raises DataError."""
        return open_dataset(self.root, self.divide, self.skip)


class ValidationSplit(ChosenSplit):
    """One on which what a bundle answers is fitted after training."""

    def open(self) -> DataSet:
        """Open the data set. Raises DataError, also for a test split, which must not decide anything."""
        if Path(self.split).name in TEST_SPLITS:
            raise DataError(
                f"--split {self.split}: the test set must not choose anything; give a split held out for "
                "validation"
            )
        return super().open()
