"""What is known of an engine, and the file that says so beside it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from selcon_ros.core.errors import EngineError
from selcon_ros.core.files.json_file import read_object
from selcon_ros.core.outputs.heatmap_agreement import Agreement
from selcon_ros.core.text import quoted

Range = tuple[int, int, int]
GRAPH_KIND = "onnx"
"""Kind of a prepared graph itself, kept in the cache beside the engines."""
ANY_GPU = "any"
"""GPU of an engine that compiles its kernels where it runs."""
MAX_RECORD_BYTES = 1 << 20
"""Bytes of a record."""
T = TypeVar("T")


def digest_of(values: dict[str, Any]) -> str:
    """Return a name for what a key says."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Key:
    """What an engine is made of and for; another value of any of these asks for another engine.

    model: `repository.source_digest` of the bundle; graph: version of our preparation of it; kind, version:
    the library; gpu: name of the GPU whose kernels were chosen, ANY_GPU for an engine that compiles where it
    runs; compute: compute capabilities; batch: images at once (least, best, most); camera: largest camera
    image (H, W).
    """

    model: str
    graph: int
    kind: str
    version: str
    gpu: str
    compute: tuple[str, ...]
    precision: str
    batch: Range
    camera: tuple[int, int]

    @property
    def digest(self) -> str:
        """A name for it."""
        return digest_of(asdict(self))


@dataclass(frozen=True)
class Record:
    """What is known of an engine: its key, its bundle, its file's SHA-256 and what was measured.

    layers: how many compute in which type. agreement: how far it is from ONNX Runtime (`Agreement` as
    values), None where it could not be run yet; agreement_of_graph: the same of its graph, in ONNX Runtime.
    """

    key: Key
    bundle: str
    sha256: str
    bytes: int
    seconds: float
    created: str
    layers: dict[str, int]
    kept: tuple[str, ...]
    agreement_of_graph: dict[str, Any]
    agreement: dict[str, Any] | None = None

    def to_json(self) -> str:
        """Return the text of the record's file."""
        return json.dumps(asdict(self), indent=2) + "\n"


def read_record(path: Path) -> Record:
    """Read a record's file. Raises EngineError where it is no record, of another version, or damaged."""
    values = read_object(path, EngineError, MAX_RECORD_BYTES)
    values["key"] = dataclass_from(Key, values.get("key"), path)
    record = dataclass_from(Record, values, path)
    graph, engine = record.agreement_of_graph, record.agreement
    return replace(
        record,
        agreement_of_graph=asdict(dataclass_from(Agreement, graph, path)),
        agreement=None if engine is None else asdict(dataclass_from(Agreement, engine, path)),
    )


def dataclass_from(kind: type[T], values: Any, path: Path) -> T:
    """Return a dataclass of a JSON object's values, each of its field's type; lists become tuples.

    Raises EngineError naming the file and what is not as it must be.
    """
    hints = get_type_hints(kind)
    if not isinstance(values, dict) or set(values) != {field.name for field in fields(kind)}:  # type: ignore[arg-type]
        raise EngineError(f"{path} is no record of ours, or of another version")
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    for name, value in given.items():
        if not _fits(value, hints[name]):
            raise EngineError(f"{path}: {name} is not what it must be, got {quoted(value)}")
    return kind(**given)


def _fits(value: object, hint: Any) -> bool:
    """Whether a value is of an annotated type, as far as records have them."""
    origin, inside = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, UnionType):
        return any(_fits(value, each) for each in inside)
    if origin is tuple and isinstance(value, tuple):
        wanted = inside[:1] * len(value) if inside[-1] is Ellipsis else inside
        return len(wanted) == len(value) and all(map(_fits, value, wanted))
    if origin is dict and isinstance(value, dict):
        return all(_fits(key, inside[0]) and _fits(each, inside[1]) for key, each in value.items())
    if hint is None or hint is NoneType:
        return value is None
    if hint in (int, float):
        return isinstance(value, int if hint is int else int | float) and not isinstance(value, bool)
    return origin is None and isinstance(value, hint)
