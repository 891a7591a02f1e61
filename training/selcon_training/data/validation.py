"""A validation split, on which what a bundle answers is fitted after training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from selcon_training.data.agd20k import TEST_SPLITS, DataSet, open_dataset
from selcon_training.errors import DataError


@dataclass(frozen=True)
class ValidationData:
    """A split of the data set in `root`; `skip` lists files to leave out, `limit` is how many to take."""

    root: Path
    divide: str | None = None
    split: str = "valset"
    limit: int | None = None
    skip: Path | None = None

    def open(self) -> DataSet:
        """Open the data set. Raises DataError for a test split, which must not decide anything."""
        if Path(self.split).name in TEST_SPLITS:
            raise DataError(
                f"--split {self.split}: the test set must not choose anything; give a split held out for "
                "validation"
            )
        return open_dataset(self.root, self.divide, self.skip)
