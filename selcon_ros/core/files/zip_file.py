"""Files out of a .zip, within bounds that hold whatever its headers claim."""

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import error as StructError

from selcon_ros.core.errors import SelconError
from selcon_ros.core.text import quoted

MAX_DIRECTORY_BYTES = 1 << 20
"""Bytes of an archive's list of its files: about ten thousand names."""
MAX_EXPANSION = 20
"""An archive's files may be so many times as large as itself; the weights of networks hardly shrink."""
ALLOWANCE_BYTES = 64 << 20
"""Bytes that they may have in any case: a small archive may be all zeros."""
_CHUNK_BYTES = 1 << 20


class Archive:
    """An open .zip; see `open_zip`."""

    def __init__(self, archive: zipfile.ZipFile, size: int, fault: type[SelconError]) -> None:
        self._archive, self._fault = archive, fault
        self.names = archive.namelist()
        self._left = ALLOWANCE_BYTES + MAX_EXPANSION * size
        seen: set[str] = set()
        for name in self.names:
            if name in seen:
                raise fault(f"it holds {quoted(name, 200)} more than once: pack it again")
            seen.add(name)

    def read(self, name: str, limit: int) -> bytes:
        """Return the file called `name`, of at most `limit` bytes."""
        try:
            info = self._archive.getinfo(name)
        except KeyError:
            raise self._fault(f"{name} is missing") from None
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise self._fault(f"{name} is compressed in an unusual way: pack it with deflate, as zip does")
        found = io.BytesIO()
        with self._archive.open(info) as stream:
            while step := stream.read(_CHUNK_BYTES):
                self._left -= len(step)
                if found.tell() + len(step) > limit:
                    raise self._fault(f"{name} has more than the {limit} bytes allowed")
                if self._left < 0:
                    raise self._fault(
                        f"{name} is over {MAX_EXPANSION} times as large as the archive: it is no model; "
                        "get it again"
                    )
                found.write(step)
        # The very bytes that were written, not a copy.
        return found.getvalue()


@contextmanager
def open_zip(path: Path, fault: type[SelconError]) -> Iterator[Archive]:
    """Open a .zip for reading. Raises `fault` for what is damaged, encrypted or not within the bounds, also
    while it is read."""
    try:
        with _Bounded(path) as file, zipfile.ZipFile(file) as archive:
            yield Archive(archive, path.stat().st_size, fault)
    except SelconError:
        raise
    except zipfile.BadZipFile as error:
        raise fault(f"it is not a readable .zip: {error}") from None
    except OSError as error:
        raise fault(f"it cannot be read: {error.strerror or error}") from None
    except NotImplementedError as error:  # a later version of the format, or another encryption
        raise fault(f"it is a kind of .zip that is not read ({error}): pack it anew with zip") from None
    except RuntimeError:
        raise fault("it is encrypted: pack it without a password") from None
    except (zlib.error, EOFError, StructError, ValueError, OverflowError) as error:
        raise fault(f"it is damaged: {error}; get it again") from None


class _Bounded(io.FileIO):
    """A file of which no more is read at once than an archive's list of files may have."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile(f"its list of files has over {MAX_DIRECTORY_BYTES} bytes")
        found: bytes = super().read(MAX_DIRECTORY_BYTES if size is None or size < 0 else size) or b""
        return found
