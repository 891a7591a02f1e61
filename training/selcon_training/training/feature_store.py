"""Features of frozen encoders, computed once for some views of every image and kept on disk: heads then train
without the encoders."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from tqdm import tqdm

from selcon_ros.core.files.atomic_write import write_json
from selcon_ros.core.files.json_file import read_object
from selcon_training.config import ConfigError
from selcon_training.data.dense import Augmentation
from selcon_training.data.device import to_input, to_pinned
from selcon_training.data.images import U8
from selcon_training.data.listing import Item
from selcon_training.data.ordering import prefetch
from selcon_training.data.weak import load_weak
from selcon_training.encoders import weights_digest
from selcon_training.models.network import evaluating
from selcon_training.models.selcon_net import Features, SelconNet

_DONE_FILE = "done.json"
_PART = 2  # of load_weak: apart from those of training without a store
_HEADER_BYTES = 128  # bytes of a .npy header of these shapes


class FeatureStore:
    """float16 features [N, K, ...] of K views of N images, in memory-mapped files.

    View k of an image is the training transform, drawn for this image and k whatever the run's seed; where
    the transform flips, every second view is mirrored. So K = 2 without zoom is the image and its mirror
    image. Lies in `folder` under a name made of everything that decides its content: the encoders'
    digests and precision, input size, transform, K, and the files' names, sizes and dates. A file linked
    into several folders (one picture that affords several actions) is encoded once.

    Making a store says how large it will be and claims the space; raises ConfigError where the disk is too
    small. `fill` then computes what is missing.
    """

    def __init__(
        self,
        folder: Path,
        net: SelconNet,
        items: Sequence[Item],
        augmentation: Augmentation,
        views: int,
        saliency: bool,
    ) -> None:
        files = [(status.st_dev, status.st_ino) for status in (item.path.stat() for item in items)]
        distinct: dict[tuple[int, int], Item] = {}
        for file, item in zip(files, items, strict=True):
            distinct.setdefault(file, item)
        places = {file: place for place, file in enumerate(distinct)}
        self._places = np.array([places[file] for file in files], np.int64)
        self.items, self.views = list(distinct.values()), views
        self._mirrors = augmentation.flip
        self._augmentation = replace(augmentation, flip=False)
        self.folder = folder / _key(net, self.items, augmentation, views, saliency)
        height, width = net.grid
        self._shapes = {
            "parts": (len(self.items), views, net.dino.width, height, width),
            "patches": (len(self.items), views, net.text_action.shape[1], height, width),
            "saliency": (len(self.items), views, height, width),
        }
        if not saliency:
            del self._shapes["saliency"]
        with _alone(self.folder):
            if self._progress() is None:
                self._reserve()
        self._maps = {name: np.load(self._file(name), mmap_mode="r+") for name in self._shapes}
        self.parts, self.patches = self._maps["parts"], self._maps["patches"]
        self.saliency = self._maps.get("saliency")

    def fill(self, net: SelconNet, batch_size: int = 32, threads: int = 1) -> FeatureStore:
        """Encode what is not stored yet, from where an interrupted process stopped; returns this store.

        A second process waits here for the first. `threads` decode the images.
        """
        with _alone(self.folder):
            done = self._progress() or 0
            if done < len(self.items):
                self._encode(net, done, batch_size, threads)
        return self

    def features(self, numbers: NDArray[np.int64], views: NDArray[np.int64]) -> Features:
        """float16 features, on the CPU, of these images as seen in these views (0 to K - 1)."""
        which = (self._places[numbers], views)
        saliency = None if self.saliency is None else torch.from_numpy(self.saliency[which])
        return Features(torch.from_numpy(self.parts[which]), torch.from_numpy(self.patches[which]), saliency)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.npy"

    def _progress(self) -> int | None:
        """How many images are complete; None where there is no store, or one whose files are not whole."""
        record = self.folder / _DONE_FILE
        if not record.is_file():
            return None
        try:
            for name, shape in self._shapes.items():
                values = np.load(self._file(name), mmap_mode="r")
                if values.shape != shape or values.dtype != np.float16:
                    raise ValueError(f"{name} holds {values.dtype} {values.shape}")
            return min(int(read_object(record, ConfigError)["images"]), len(self.items))
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log(f"stored features in {self.folder} are damaged and are built again: {error}")
            return None

    def _reserve(self) -> None:
        """Create the files and claim their space: without that they would be sparse, and a full disk would
        kill the process while it fills them."""
        for name in self._shapes:
            self._file(name).unlink(missing_ok=True)
        needed = sum(2 * int(np.prod(shape)) + _HEADER_BYTES for shape in self._shapes.values())
        free = shutil.disk_usage(self.folder).free
        what = f"features of {len(self.items)} images x {self.views} views take {_amount(needed)}"
        _log(f"{what} in {self.folder} ({_amount(free)} free)")
        try:
            if needed > free:
                raise OSError("not enough space")
            for name, shape in self._shapes.items():
                np.lib.format.open_memmap(self._file(name), mode="w+", dtype=np.float16, shape=shape)
                with self._file(name).open("r+b") as file:
                    os.posix_fallocate(file.fileno(), 0, file.seek(0, os.SEEK_END))
        except OSError as error:
            for name in self._shapes:
                self._file(name).unlink(missing_ok=True)
            raise ConfigError(
                f"encoders.cache_features: {what}, but {self.folder} has {_amount(free)} free ({error}); put "
                "encoders.cache_folder on a larger disk or lower encoders.cache_views"
            ) from error
        self._record(0)

    def _record(self, images: int) -> None:
        write_json(self.folder / _DONE_FILE, {"images": images})

    def _encode(self, net: SelconNet, done: int, batch_size: int, threads: int) -> None:
        device = net.text_action.device
        starts = range(done, len(self.items), batch_size)
        jobs = (
            partial(self._view, start, min(start + batch_size, len(self.items)), view, net, device)
            for start in starts
            for view in range(self.views)
        )
        bar = tqdm(total=len(self.items), initial=done, desc="encoding", unit="image", leave=False)
        loaded = prefetch(jobs, threads, ahead=threads + 1)
        with torch.no_grad(), evaluating(net):
            for number, start in enumerate(starts, start=1):
                end = min(start + batch_size, len(self.items))
                for view in range(self.views):
                    found = net.features(to_input(next(loaded), device), saliency="saliency" in self._maps)
                    for name, values in self._maps.items():
                        values[start:end, view] = getattr(found, name).half().cpu().numpy()
                bar.update(end - start)
                if end == len(self.items) or number % 16 == 0:
                    for values in self._maps.values():
                        values.flush()
                    self._record(end)
        bar.close()

    def _view(self, start: int, end: int, view: int, net: SelconNet, device: torch.device) -> torch.Tensor:
        """One view of some images, B x h x w x 3 uint8; runs on a data thread."""
        images: U8 = load_weak(
            self.items[start:end], net.input_size, self._augmentation, 0, _PART, view, start
        )
        if self._mirrors and view % 2 == 1:
            images = np.ascontiguousarray(images[:, :, ::-1])
        return to_pinned(images, device)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Create the folder and hold it against other processes; the system lets go when this one ends."""
    lock = FileLock(folder / "lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise ConfigError(f"cannot keep features in {folder}: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.release()


def _key(
    net: SelconNet, items: Sequence[Item], augmentation: Augmentation, views: int, saliency: bool
) -> str:
    digest = hashlib.sha256()
    for encoder in (net.clip, net.dino):
        known = encoder.spec is not None and encoder.spec.sha256 is not None
        digest.update(repr(encoder.spec if known else weights_digest(encoder)).encode())
    what = (net.input_size, net.frozen_pass.dtype, augmentation, views, saliency)
    digest.update(repr(what).encode())
    for item in items:
        status = item.path.stat()
        digest.update(f"{item.path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def _log(text: str) -> None:
    tqdm.write(text, file=sys.stderr)


def _amount(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
