"""Types of paths on the command line: `~` is replaced, a place that cannot be written to is told early."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from selcon_ros.core.errors import SelconError
from selcon_ros.core.files.atomic_write import check_destination
from selcon_ros.core.files.user_path import user_path


class UserPath(click.Path):
    """`click.Path` that gives a `pathlib.Path`, with `~` and `~user` replaced: a shell leaves them alone in
    --option=~/x."""

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        try:
            return super().convert(user_path(os.fspath(value), SelconError), param, ctx)
        except SelconError as error:
            self.fail(str(error), param, ctx)


class Destination(UserPath):
    """A path to write to, as a pathlib.Path; `check` raises OSError or SelconError where that cannot be."""

    def __init__(self, check: Callable[[Path], None], **options: Any) -> None:
        super().__init__(**options)
        self._check = check

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Path:
        path = super().convert(value, param, ctx)
        assert isinstance(path, Path)
        try:
            self._check(path)
        except OSError as error:
            raise click.ClickException(f"cannot write {path}: {error.strerror or error}") from error
        except SelconError as error:
            raise click.ClickException(str(error)) from error
        return path


def _folder(path: Path) -> None:
    check_destination(path, folder=True)


def _bundle(path: Path) -> None:
    # Not at the top: it imports OpenCV, which takes a while.
    from selcon_ros.core.grounding.bundle import check_bundle_destination

    check_bundle_destination(path)


def _page(path: Path) -> None:
    check_destination(path, folder=path.suffix.lower() not in (".html", ".htm"))


def _picture(path: Path) -> None:
    if path.suffix.lower() not in (".jpg", ".jpeg"):
        raise SelconError(f"{path} is to be a JPEG: give a name that ends in .jpg")
    check_destination(path)


OUT_FILE = Destination(check_destination)
OUT_FOLDER = Destination(_folder)
OUT_BUNDLE = Destination(_bundle)
OUT_PAGE = Destination(_page)
"""An .html file, or a folder."""
OUT_PICTURE = Destination(_picture)
"""A .jpg file."""
