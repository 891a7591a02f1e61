"""What the commands of `selcon engine` share: options, the progress bar, engines in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
import numpy as np
from numpy.typing import NDArray

from selcon_ros.cli.options import F, added
from selcon_ros.cli.paths import UserPath
from selcon_ros.core.errors import ImageError, SelconError
from selcon_ros.core.outputs.heatmap_agreement import MAX_KLD
from selcon_ros.core.pictures.picture_files import read_image
from selcon_ros.core.pictures.picture_folder import IMAGE_SUFFIXES, pictures_below

if TYPE_CHECKING:
    from selcon_ros.backends.tensorrt_library import EngineLibrary
    from selcon_ros.engines.record import Key

MAX_PICTURES = 64
"""At most so many pictures of a folder are compared on."""


def _batch(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[int, int, int] | None:
    if value is None:
        return None
    parts = [int(part) for part in value.split(":") if part.strip().isdecimal()]
    if len(parts) != 3 or value.count(":") != 2 or not 1 <= parts[0] <= parts[1] <= parts[2]:
        raise click.BadParameter(f"{value!r} must be least:best:most images, rising from 1, as in 1:1:4")
    return parts[0], parts[1], parts[2]


def _camera(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    sides = [int(side) for side in value.split(",") if side.strip().isdecimal()]
    if len(sides) != 2 or value.count(",") != 1 or min(sides) < 1:
        raise click.BadParameter(f"{value!r} must be height and width in pixels, as in 1080,1920")
    return sides[0], sides[1]


def _targets(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(value)))


@dataclass(frozen=True)
class EngineOptions:
    """Which engine, what it is compared on, and where: the values of `engine_options`."""

    kind: str | None
    precision: str | None
    batch: tuple[int, int, int] | None
    camera: tuple[int, int] | None
    targets: tuple[str, ...]
    tolerance: float
    pictures: Path | None
    cache: Path | None
    device: int


def cache_option(function: F) -> F:
    """Add --cache."""
    return click.option(
        "--cache",
        type=UserPath(),
        metavar="FOLDER",
        help="Folder of engines  [default: selcon_ros/engines in the user's cache]",
    )(function)


def engine_options(function: F) -> F:
    """Add the options that say which engine, and what it is compared on: one value, `options`."""
    options = [
        click.option(
            "--kind", type=click.Choice(["tensorrt", "tensorrt_rtx"]), help="Library of the engine."
        ),
        click.option(
            "--precision", type=click.Choice(["fp16", "fp32", "int8"]), help="Precision of the engine."
        ),
        click.option(
            "--batch", callback=_batch, metavar="LEAST:BEST:MOST", help="Images at once, such as 1:1:4."
        ),
        click.option(
            "--camera",
            callback=_camera,
            metavar="H,W",
            help="Largest camera image; larger ones are shrunk before they reach the GPU.",
        ),
        click.option(
            "--target",
            "targets",
            multiple=True,
            callback=_targets,
            metavar="CAPABILITY",
            help="Compute capability of a GPU that is not here, such as 8.6; may be given several times.",
        ),
        click.option(
            "--tolerance",
            type=click.FloatRange(0, min_open=True),
            default=MAX_KLD,
            show_default=True,
            help="Mean KLD from fp32 above which an engine is refused.",
        ),
        click.option(
            "--pictures",
            type=UserPath(),
            metavar="FOLDER",
            help=f"Compare on these, {MAX_PICTURES} at most, evenly spread  [default: the bundle's samples]",
        ),
        cache_option,
        click.option(
            "--device", type=click.IntRange(0), default=0, show_default=True, help="Number of the GPU."
        ),
    ]

    @wraps(function)
    def command(**values: Any) -> None:
        given = EngineOptions(**{each.name: values.pop(each.name) for each in fields(EngineOptions)})
        function(options=given, **values)

    return cast(F, added(options, command))


def pictures_in(folder: Path | None) -> list[NDArray[np.uint8]] | None:
    """Read the RGB pictures [H, W, 3] uint8 below a folder, MAX_PICTURES at most; None for no folder."""
    if folder is None:
        return None
    found = pictures_below(folder)
    if not found:
        raise ImageError(f"{folder} holds no pictures ({', '.join(IMAGE_SUFFIXES)}) to compare on")
    chosen = np.linspace(0, len(found) - 1, min(MAX_PICTURES, len(found))).round().astype(int)
    return [read_image(found[index]) for index in chosen]


@contextmanager
def progress_bar(quiet: bool) -> Iterator[tuple[Callable[[str, float], None], Callable[[str], None]]]:
    """A bar on a terminal: how to tell it the phase and the share done, and how to print beside it.

    quiet: print to standard error, since standard output is for JSON.
    """
    from tqdm import tqdm

    shown = "{desc}: {percentage:3.0f}%|{bar}| {rate_fmt}, {elapsed}<{remaining}"
    with tqdm(total=100, unit="%", leave=False, dynamic_ncols=True, disable=None, bar_format=shown) as bar:

        def progress(phase: str, share: float) -> None:
            bar.set_description_str(phase, refresh=False)
            if share == 0:
                bar.reset()  # rate and time left are those of what begins now
            bar.update(100 * share - bar.n)

        def tell(text: str) -> None:
            with tqdm.external_write_mode():
                click.echo(text, err=quiet)

        yield progress, tell


def chosen_library(name: str | None) -> EngineLibrary:
    """Return the library of that name, by default the first one that is installed."""
    from selcon_ros.backends.tensorrt_library import LIBRARIES
    from selcon_ros.core.errors import NotInstalledError

    installed = (each for each in LIBRARIES.values() if each.is_installed)
    library = LIBRARIES[name] if name else next(installed, None)
    if library is None:
        choices = " or ".join(f"'selcon_ros[{each.extra}]' ({each.title})" for each in LIBRARIES.values())
        raise NotInstalledError(f"nothing that builds engines is installed: pip install {choices}")
    return library


def for_gpus(key: Key) -> str:
    """Return which GPUs an engine is for, in words."""
    compute = ", ".join(sorted(key.compute, key=float))
    return f"{compute} ({key.gpu})" if compute else key.gpu


def megabytes(count: int) -> str:
    """Return a size in words."""
    return f"{count / 2**20:.1f} MiB"


def reason_of(check: Callable[[], object]) -> str | None:
    """Return the message of the error that a check raises, None where it raises none."""
    try:
        check()
    except SelconError as error:
        return str(error)
    return None
