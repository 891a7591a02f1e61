"""What was measured of a bundle's graphs on this processor, and the file that keeps it beside the engines."""

from __future__ import annotations

import datetime
from dataclasses import asdict, dataclass
from pathlib import Path

from selcon_ros.core.errors import EngineError
from selcon_ros.core.files.atomic_write import write_json
from selcon_ros.core.files.json_file import read_object
from selcon_ros.engines.folder import name_prefix
from selcon_ros.engines.record import MAX_RECORD_BYTES, dataclass_from, digest_of

CHOICE_SUFFIX = ".choice"
"""How the names of these files end."""


@dataclass(frozen=True)
class ChoiceKey:
    """What times are measured of and on; with another value of any of these they are measured again.

    graphs: SHA-256 of the graph of each candidate, by its label; processor, kind: as in
    `core.machine.processor.Processor`; cores: how many the process may use; threads: of the engine, 0 for
    its own choice; engines: versions of the backends' libraries; selcon_ros: version.
    """

    graphs: dict[str, str]
    processor: str
    kind: str
    cores: int
    threads: int
    spinning: bool
    engines: dict[str, str]
    selcon_ros: str

    @property
    def digest(self) -> str:
        """A name for it."""
        return digest_of(asdict(self))

    def path(self, folder: Path, bundle: str) -> Path:
        """Return the file of the folder that keeps it."""
        return folder / f"{name_prefix(bundle)}cpu-{self.digest}{CHOICE_SUFFIX}"


@dataclass(frozen=True)
class CpuTimes:
    """milliseconds: of CPU that a run of each candidate takes, by its label, the median; shares: of the
    reference's, the median of all turns; rounds: how many turns there were; reference: a label."""

    milliseconds: dict[str, float]
    shares: dict[str, float]
    rounds: int
    reference: str = "fp32"


@dataclass(frozen=True)
class ChoiceRecord:
    """What was measured, of what and on what, and when. left_out: candidates that are not to be chosen, and
    why: they do not run here, or are too far from fp32."""

    key: ChoiceKey
    times: CpuTimes
    left_out: dict[str, str]
    measured: str

    @staticmethod
    def of(key: ChoiceKey, times: CpuTimes, left_out: dict[str, str]) -> ChoiceRecord:
        """Return the record of what was measured just now."""
        now = datetime.datetime.now(datetime.timezone.utc)
        return ChoiceRecord(key, times, left_out, f"{now:%Y-%m-%d %H:%M} UTC")


def read_choice(path: Path, key: ChoiceKey) -> ChoiceRecord:
    """Read a record. Raises EngineError for a file that is damaged, or is not of this key."""
    values = read_object(path, EngineError, MAX_RECORD_BYTES)
    for name, kind in (("key", ChoiceKey), ("times", CpuTimes)):
        values[name] = dataclass_from(kind, values.get(name), path)
    record = dataclass_from(ChoiceRecord, values, path)
    if record.key != key:
        raise EngineError(f"{path} was measured of another graph or processor")
    times, left_out = record.times, record.left_out
    for found in (times.milliseconds, times.shares):
        if found.keys() | left_out.keys() != key.graphs.keys() or min(found.values(), default=-1) < 0:
            raise EngineError(f"{path}: times must be numbers from zero of {', '.join(key.graphs)}")
    same = times.milliseconds.keys() == times.shares.keys()
    if not same or times.reference not in times.shares or times.shares.keys() <= left_out.keys():
        raise EngineError(f"{path}: there must be times of {times.reference} and of what may be chosen")
    return record


def write_choice(path: Path, record: ChoiceRecord) -> None:
    """Write a record, whole or not at all. Raises OSError naming the file."""
    write_json(path, asdict(record))
