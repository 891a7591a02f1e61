"""What every section of a training configuration is built on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from selcon_ros.core.errors import SelconError
from selcon_ros.core.files.user_path import user_path


def _at_home(value: Any) -> Any:
    """A path, or a text that may be one, with ~ or ~user at its start replaced."""
    if not isinstance(value, str | Path) or not str(value).startswith("~"):
        return value
    try:
        return str(user_path(value, SelconError))
    except SelconError as error:
        raise ValueError(str(error)) from None


def _named(value: Any) -> Any:
    """As `_at_home`; an empty text would mean the present folder."""
    if value == "":
        raise ValueError("the path is empty: name a file or folder, or leave the key out")
    return _at_home(value)


UserPath = Annotated[Path, BeforeValidator(_named)]
"""Every path of a configuration."""
NameOrFile = Annotated[str, BeforeValidator(_at_home)]


def _several(value: Any) -> Any:
    several = [value] if isinstance(value, str | Path) else value
    if not isinstance(several, list | tuple) or not several:
        raise ValueError("give a folder or a list of folders, or leave the key out")
    return several


UserPaths = Annotated[tuple[UserPath, ...], BeforeValidator(_several)]
"""One path or a list of paths."""


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values are fixed once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)
