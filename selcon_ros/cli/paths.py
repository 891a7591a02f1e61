"""The type of every path on the command line."""

import os
from pathlib import Path
from typing import Any

import click

from selcon_ros.core.errors import SelconError
from selcon_ros.core.user_path import user_path


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
