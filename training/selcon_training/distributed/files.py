"""A folder of the first process, for those that do not see it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.distributed as dist
from torch import Tensor

from selcon_training.distributed.collectives import any_rank, broadcast_from_main, is_main
from selcon_training.errors import DistributedError

_BLOCK_BYTES = 64 << 20  # bytes of a file sent at once


@contextmanager
def folder_of_main(folder: Path) -> Iterator[Path]:
    """The first process's folder: itself where it is seen, on the same machine or a shared disk, else a copy
    for as long as the context lasts. A folder of that name with other files is not it.
    """
    listed = broadcast_from_main(_files(folder))
    sees = _files(folder) == listed
    with ExitStack() as stack:
        place = folder
        if any_rank(not sees):
            if not sees:
                place = Path(stack.enter_context(TemporaryDirectory(prefix="selcon-")))
            for name, size, _ in listed:
                _send(folder / name if is_main() else None, None if sees else place / name, size)
        yield place


def _send(source: Path | None, target: Path | None, size: int) -> None:
    """Send a file of `size` bytes from the first process, which has a `source`, to those with a `target`."""
    with ExitStack() as stack:
        reading = None if source is None else stack.enter_context(source.open("rb"))
        writing = None
        if target is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            writing = stack.enter_context(target.open("xb"))
        for start in range(0, size, _BLOCK_BYTES):
            block = torch.empty(min(_BLOCK_BYTES, size - start), dtype=torch.uint8)
            if reading is not None and reading.readinto(_bytes(block)) != len(block):
                raise DistributedError(f"{source} has changed while it was sent: start again")
            dist.broadcast(block, 0)
            if writing is not None:
                writing.write(_bytes(block))


def _files(folder: Path) -> list[tuple[str, int, int]]:
    """The files below a folder: name, size and time."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    status = [path.stat() for path in found]
    return [
        (path.relative_to(folder).as_posix(), each.st_size, each.st_mtime_ns)
        for path, each in zip(found, status, strict=True)
    ]


def _bytes(block: Tensor) -> memoryview:
    view: memoryview = block.numpy().data
    return view
