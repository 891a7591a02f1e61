"""Rendered samples that come with the trainer: mixed in, they keep an adapted network from forgetting.

One .zip of pictures NNNN.jpg with label maps NNNN.png, whose bit A is set where action A is afforded, and
samples.json. Command line: python -m selcon_training.adapt.rendered DATA [--divide Seen] --out FILE
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import click
import cv2
import numpy as np

from selcon_ros.core.files.atomic_write import write_file
from selcon_ros.core.files.json_file import parse_object
from selcon_ros.core.files.zip_file import Archive, open_zip
from selcon_ros.core.grounding.actions import action_key
from selcon_ros.core.grounding.placement import Canvas
from selcon_ros.core.grounding.preprocess import fitted
from selcon_ros.core.pictures.image_decoding import decode
from selcon_training.adapt.photo_set import MaskedPhoto, truth_of
from selcon_training.data.agd20k import TEST_SPLITS, open_dataset
from selcon_training.data.augmenting import Loaded
from selcon_training.data.dense import DenseItem, dense_items
from selcon_training.data.images import U8, read_picture
from selcon_training.data.ordering import spread
from selcon_training.data.pairs import fitting
from selcon_training.data.transforms import resize
from selcon_training.errors import DataError

PACKAGED_FILE = Path(__file__).with_name("rendered.zip")
LIST_FILE = "samples.json"
MAX_ACTIONS = 8
MAX_PICTURE_BYTES = 16 << 20
PICTURE_SIZE = (288, 384)
JPEG_QUALITY = 80
CHECK_EVERY = 5
"""One of so many samples is kept out of training, to see what is forgotten."""


def read_rendered(path: Path, actions: Sequence[str], canvas: Canvas, sharp: bool) -> list[MaskedPhoto]:
    """The samples of a file that `write_rendered` made, with the actions that `actions` has too.

    An action that only one of the two knows is unknown there. Raises DataError.
    """
    with open_zip(path, DataError) as archive:
        listed = parse_object(archive.read(LIST_FILE, 1 << 20), path, DataError)
        own, names = listed.get("actions"), listed.get("samples")
        if not isinstance(own, list) or not isinstance(names, list) or len(own) > MAX_ACTIONS:
            raise DataError(f"{path} holds no rendered samples: make it with selcon_training.adapt.rendered")
        label = {action_key(action): number for number, action in enumerate(actions)}
        places = {bit: label[key] for bit, action in enumerate(own) if (key := action_key(action)) in label}
        return [
            _sample(
                str(name),
                _read(archive, path, f"{name}.jpg", cv2.IMREAD_COLOR)[:, :, ::-1],
                _read(archive, path, f"{name}.png", cv2.IMREAD_GRAYSCALE),
                places,
                canvas,
                sharp,
            )
            for name in names
        ]


def _sample(
    name: str, picture: U8, bits: U8, places: dict[int, int], canvas: Canvas, sharp: bool
) -> MaskedPhoto:
    picture = np.ascontiguousarray(picture)
    parts = {action: (bits >> bit & 1).astype(bool) for bit, action in places.items()}
    masks = {action: mask for action, mask in parts.items() if mask.any()}
    truths = {
        action: mask.astype(np.uint8) * np.uint8(255) if sharp else truth_of(mask)
        for action, mask in masks.items()
    }
    shape = (picture.shape[0], picture.shape[1])
    known = tuple(sorted(places.values()))
    return MaskedPhoto(
        f"rendered/{name}", name, fitted(picture, canvas), shape, Loaded(picture, shape, truths), masks, known
    )


def _read(archive: Archive, path: Path, name: str, flags: int) -> U8:
    return decode(archive.read(name, MAX_PICTURE_BYTES), f"{name} of {path}", flags, DataError)


def write_rendered(root: Path, divide: str | None, splits: Sequence[str], count: int, out: Path) -> int:
    """Write `count` pictures, evenly spread over the splits of a rendered data set; returns the bytes.

    Raises DataError for a test split and for more than 8 actions.
    """
    if tests := sorted(TEST_SPLITS & set(splits)):
        raise DataError(f"{tests[0]} is a test split, which training may not see: give trainset, tableset")
    data = open_dataset(root, divide)
    actions = data.class_list(None)
    if len(actions) > MAX_ACTIONS:
        raise DataError(f"{root} has {len(actions)} actions: a label map has room for {MAX_ACTIONS}")
    shares = [len(part) for part in np.array_split(np.arange(count), len(splits))]
    chosen = [
        item
        for split, share in zip(splits, shares, strict=True)
        for item in spread(dense_items(data, split, actions), share)
    ]
    file = io.BytesIO()
    names = [f"{number:04d}" for number in range(len(chosen))]
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_entry(LIST_FILE), json.dumps({"actions": list(actions), "samples": names}))
        for name, item in zip(names, chosen, strict=True):
            picture, bits = _picture(item)
            archive.writestr(_entry(f"{name}.jpg"), _encoded(picture, ".jpg"))
            archive.writestr(_entry(f"{name}.png"), _encoded(bits, ".png"))
    write_file(out, file.getvalue())
    return len(file.getvalue())


def _picture(item: DenseItem) -> tuple[U8, U8]:
    """A picture within PICTURE_SIZE, and the bits of its actions."""
    picture = read_picture(item.path)
    scale = min(1.0, PICTURE_SIZE[0] / picture.shape[0], PICTURE_SIZE[1] / picture.shape[1])
    size = round(scale * picture.shape[0]), round(scale * picture.shape[1])
    bits = np.zeros(size, np.uint8)
    for action, truths in item.truths.items():
        paths = item.masks.get(action)
        values = fitting(paths or truths, item.path)
        if not paths:
            values = (values > values.max() / 2).astype(np.uint8) * np.uint8(255)
        bits |= (resize(values, size) > 127).astype(np.uint8) << np.uint8(action)
    return resize(picture, size), bits


def _encoded(image: U8, kind: str) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if kind == ".jpg" else [cv2.IMWRITE_PNG_COMPRESSION, 9]
    done, content = cv2.imencode(kind, image[:, :, ::-1] if image.ndim == 3 else image, options)
    assert done
    return content.tobytes()


def _entry(name: str) -> zipfile.ZipInfo:
    """An archive's entry of no date: the same samples give the same bytes."""
    return zipfile.ZipInfo(name)


@click.command()
@click.argument("root", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--divide", type=click.Choice(["Seen", "Unseen"]), default="Seen", show_default=True)
@click.option("--split", "splits", multiple=True, default=["trainset", "tableset"], show_default=True)
@click.option("--count", type=click.IntRange(1, 1000), default=160, show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), default=PACKAGED_FILE, show_default=True
)
def command(root: Path, divide: str, splits: tuple[str, ...], count: int, out: Path) -> None:
    """Make the packaged samples of the rendered data set in folder ROOT.

    \b
    Example:
      python -m selcon_training.adapt.rendered data/tabletop
    """
    try:
        size = write_rendered(root, divide, splits, count, out)
    except DataError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{out}: {size / 1e6:.2f} MB")


if __name__ == "__main__":
    command()
