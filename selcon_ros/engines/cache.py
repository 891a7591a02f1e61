"""Where built engines are kept: a file and its record for each bundle, library, GPU, precision and shape."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from selcon_ros.core.errors import BackendError, EngineError

ENGINE, RECORD, LOCK, PART, TIMINGS = ".engine", ".json", ".lock", ".part", ".timings"
Range = tuple[int, int, int]


@dataclass(frozen=True)
class Key:
    """What an engine is made of and for; another value of any of these asks for another engine.

    model: SHA-256 of the bundle's ONNX file; graph: version of our preparation of it; kind, version: the
    library; gpu: name of the GPU whose kernels were chosen, "any" for an engine that compiles where it runs;
    compute: compute capabilities; batch: images at once (least, best, most); camera: largest camera image
    (H, W).
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
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


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


@dataclass(frozen=True)
class Entry:
    """An engine in the cache."""

    path: Path
    record: Record

    @property
    def paths(self) -> tuple[Path, Path]:
        """Its record's file and its own, in the order in which they are to go."""
        return self.path.with_suffix(RECORD), self.path

    def content(self) -> bytes:
        """Read the engine. Raises BackendError where the file is gone, cut short or changed."""
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise EngineError(f"engine {self.path} cannot be read: {error.strerror}") from None
        digest = hashlib.sha256(content).hexdigest()
        if digest != self.record.sha256:
            raise EngineError(
                f"engine {self.path} was changed or cut short: its SHA-256 is {digest}, "
                f"its record says {self.record.sha256}; build it again"
            )
        return content


class Cache:
    """A folder of engines."""

    def __init__(self, folder: Path | None = None) -> None:
        """Open the cache in `folder`, by default the user's (XDG_CACHE_HOME/selcon_ros/engines)."""
        self.folder = folder or user_cache_path("selcon_ros") / "engines"

    def find(self, key: Key) -> Entry | None:
        """Return the engine of a key, None where there is none."""
        return next((entry for entry in self.entries() if entry.record.key == key), None)

    def entries(self) -> list[Entry]:
        """Return all engines, the newest first; records that cannot be read are left out (see `damaged`)."""
        found = [entry for path in self._records() if (entry := _read(path)) is not None]
        return sorted(found, key=lambda entry: entry.record.created, reverse=True)

    def damaged(self) -> list[Path]:
        """Return what is of no use: records that cannot be read, engines without one, records without an
        engine, unfinished writes."""
        good = {path for entry in self.entries() for path in entry.paths}
        kinds = (ENGINE, RECORD, PART)
        return sorted(path for path in self._files() if path.suffix in kinds and path not in good)

    def add(self, record: Record, content: bytes) -> Entry:
        """Store an engine: both files whole or none. Raises BackendError for a folder that cannot take it."""
        key = record.key
        path = self.folder / f"{begin(record.bundle)}{key.kind}-{key.precision}-{key.digest}{ENGINE}"
        record = replace(record, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
        with self._part(content) as engine, self._part(_text(record)) as text:
            # The record comes last: an engine without one is no entry.
            entry = Entry(path, record)
            entry.paths[0].unlink(missing_ok=True)
            os.replace(engine, path)
            os.replace(text, entry.paths[0])
        return entry

    def update(self, entry: Entry) -> Entry:
        """Write an entry's record anew."""
        self.write(entry.paths[0].name, _text(entry.record))
        return entry

    def remove(self, entry: Entry) -> None:
        """Delete an engine, its record first."""
        self.delete(entry.paths)

    def delete(self, paths: Sequence[Path]) -> None:
        """Delete files of the folder, as far as they are there."""
        try:
            for path in paths:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise self._fault(error) from None

    def read(self, name: str) -> bytes:
        """Return a file of the folder (a library's timing cache), empty where there is none."""
        path = self.folder / _plain(name)
        return path.read_bytes() if path.is_file() else b""

    def write(self, name: str, content: bytes) -> None:
        """Write a file of the folder, whole or not at all."""
        with self._part(content) as part:
            os.replace(part, self.folder / _plain(name))

    @contextmanager
    def lock(self, key: Key, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the right to build a key's engine; `waiting()` is called each second that another has it.

        The lock ends with its process, however that ends.
        """
        self._make()
        held = FileLock(self.folder / f"{key.digest}{LOCK}")
        try:
            while True:
                with suppress(Timeout):
                    held.acquire(timeout=1)
                    break
                waiting()
        except OSError as error:
            raise self._fault(error) from None
        try:
            yield
        finally:
            held.release()

    def timings(self) -> list[Path]:
        """Return the libraries' timing caches."""
        return [path for path in self._files() if path.suffix == TIMINGS]

    def building(self) -> bool:
        """Whether a process is building an engine for this folder."""
        for path in self._files():
            if path.suffix == LOCK:
                try:
                    FileLock(path).acquire(timeout=0).lock.release()
                except Timeout:
                    return True
                except OSError as error:
                    raise self._fault(error) from None
        return False

    def _records(self) -> list[Path]:
        return [path for path in self._files() if path.suffix == RECORD]

    def _files(self) -> list[Path]:
        return sorted(self.folder.iterdir()) if self.folder.is_dir() else []

    def _make(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._fault(error) from None

    @contextmanager
    def _part(self, content: bytes) -> Iterator[Path]:
        """A file of the folder with this content, gone at the end unless it was renamed."""
        self._make()
        part = None
        try:
            with tempfile.NamedTemporaryFile(dir=self.folder, suffix=PART, delete=False) as file:
                part = Path(file.name)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(part, 0o644)  # as other files are: a node of another user may read them
            yield part
        except OSError as error:
            raise self._fault(error) from None
        finally:
            if part is not None:
                part.unlink(missing_ok=True)

    def _fault(self, error: OSError) -> BackendError:
        return BackendError(
            f"cannot write to the engine cache {self.folder}: {error.strerror or error}; make room or give "
            "another folder (--cache, the node's parameter engine_cache)"
        )


def begin(bundle: str) -> str:
    """Return how the names of a bundle's engines begin."""
    return _plain(f"{bundle[:60]}-")


def _plain(name: str) -> str:
    """Return a name as a file may be called."""
    return "".join(each if each.isalnum() or each in "._-" else "_" for each in name).lstrip(".") or "engine"


def _text(record: Record) -> bytes:
    return (json.dumps(asdict(record), indent=2) + "\n").encode()


def _read(path: Path) -> Entry | None:
    """Return the engine of a record, None where either cannot be read."""
    engine = path.with_suffix(ENGINE)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        key = values.pop("key")
        for name in ("compute", "batch", "camera"):
            key[name] = tuple(key[name])
        values["kept"] = tuple(values["kept"])
        return Entry(engine, Record(key=Key(**key), **values)) if engine.is_file() else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError, AttributeError):
        return None
