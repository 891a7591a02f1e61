"""Where built engines are kept: a file and its record for each bundle, library, GPU, precision and shape."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from selcon_ros.core.errors import BackendError, EngineError
from selcon_ros.core.files.atomic_write import PART_SUFFIX, write_file, writing
from selcon_ros.core.files.plain_file import read_bytes
from selcon_ros.engines.choice_record import CHOICE_SUFFIX
from selcon_ros.engines.folder import default_folder, name_prefix, plain
from selcon_ros.engines.record import Key, Record, read_record

ENGINE_SUFFIX, RECORD_SUFFIX, LOCK_SUFFIX, TIMINGS_SUFFIX = ".engine", ".json", ".lock", ".timings"


@dataclass(frozen=True)
class CachedEngine:
    """An engine in the cache."""

    path: Path
    record: Record

    @property
    def paths(self) -> tuple[Path, Path]:
        """(record, engine), in deletion order."""
        return self.path.with_suffix(RECORD_SUFFIX), self.path

    def content(self) -> bytes:
        """Read the engine. Raises BackendError where the file is gone, cut short or changed."""
        try:
            # One byte more, so that one that has grown is told from it.
            content = read_bytes(self.path, EngineError, self.record.bytes + 1)
        except EngineError as error:
            raise EngineError(f"{error}; build the engine again") from None
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
        self.folder = folder or default_folder()

    def find(self, key: Key) -> CachedEngine | None:
        """Return the engine of a key, None where there is none."""
        return next((entry for entry in self.entries() if entry.record.key == key), None)

    def entries(self) -> list[CachedEngine]:
        """Return all engines, the newest first; records that cannot be read are left out (see `damaged`)."""
        found = [entry for path in self._records() if (entry := _read(path)) is not None]
        return sorted(found, key=lambda entry: entry.record.created, reverse=True)

    def damaged(self) -> list[Path]:
        """Return what is of no use: records that cannot be read, engines without one, records without an
        engine, unfinished writes."""
        good = {path for entry in self.entries() for path in entry.paths}
        kinds = (ENGINE_SUFFIX, RECORD_SUFFIX, PART_SUFFIX)
        return sorted(path for path in self._files() if path.suffix in kinds and path not in good)

    def add(self, record: Record, content: bytes) -> CachedEngine:
        """Store an engine: both files whole or none. Raises BackendError for a folder that cannot take it."""
        key = record.key
        path = (
            self.folder
            / f"{name_prefix(record.bundle)}{key.kind}-{key.precision}-{key.digest}{ENGINE_SUFFIX}"
        )
        record = replace(record, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
        entry = CachedEngine(path, record)
        # Both are written before either is put in its place. The record comes last: an engine without one is
        # no entry.
        with self._faults(), writing(entry.paths[0]) as text:
            text.write(record.to_json().encode())
            text.flush()
            with writing(path) as engine:
                engine.write(content)
                engine.flush()
                entry.paths[0].unlink(missing_ok=True)
        return entry

    def update(self, entry: CachedEngine) -> CachedEngine:
        """Write an entry's record anew."""
        self.write(entry.paths[0].name, entry.record.to_json().encode())
        return entry

    def remove(self, entry: CachedEngine) -> None:
        """Delete an engine, its record first."""
        self.delete(entry.paths)

    def delete(self, paths: Sequence[Path]) -> None:
        """Delete files of the folder, as far as they are there."""
        with self._faults():
            for path in paths:
                path.unlink(missing_ok=True)

    def read(self, name: str) -> bytes:
        """Return a file of the folder (a library's timing cache), empty where there is none."""
        path = self.folder / plain(name)
        return read_bytes(path, EngineError) if path.is_file() else b""

    def write(self, name: str, content: bytes) -> None:
        """Write a file of the folder, whole or not at all."""
        with self._faults():
            write_file(self.folder / plain(name), content)

    @contextmanager
    def lock(self, key: Key, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the right to build a key's engine; `waiting()` is called each second that another has it.

        The lock ends with its process, however that ends.
        """
        self._make()
        held = FileLock(self.folder / f"{key.digest}{LOCK_SUFFIX}")
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
        return [path for path in self._files() if path.suffix == TIMINGS_SUFFIX]

    def choices(self) -> list[Path]:
        """Return what was measured on a CPU (`choice_record`)."""
        return [path for path in self._files() if path.suffix == CHOICE_SUFFIX]

    def building(self) -> bool:
        """Whether a process is building an engine for this folder."""
        for path in self._files():
            if path.suffix == LOCK_SUFFIX:
                try:
                    FileLock(path).acquire(timeout=0).lock.release()
                except Timeout:
                    return True
                except OSError as error:
                    raise self._fault(error) from None
        return False

    def _records(self) -> list[Path]:
        return [path for path in self._files() if path.suffix == RECORD_SUFFIX]

    def _files(self) -> list[Path]:
        try:
            found = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        except OSError as error:
            raise BackendError(f"cannot read the engine cache {self.folder}: {error.strerror}") from None
        return [path for path in found if path.is_symlink() or not path.is_dir()]

    def _make(self) -> None:
        with self._faults():
            self.folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._fault(error) from None

    def _fault(self, error: OSError) -> BackendError:
        return BackendError(
            f"cannot write to the engine cache {self.folder}: {error.strerror or error}; make room or give "
            "another folder (--cache, the node's parameter engine_cache)"
        )


def _read(path: Path) -> CachedEngine | None:
    """Return the engine of a record, None where either cannot be read."""
    engine = path.with_suffix(ENGINE_SUFFIX)
    try:
        return CachedEngine(engine, read_record(path)) if engine.is_file() else None
    except EngineError:
        return None
