"""The names of a rendered set's part and object labels, which must not change between its scenes."""

from __future__ import annotations

from pathlib import Path

from selcon_ros.core.errors import SelconError
from selcon_ros.core.json_file import read_object
from selcon_tabletop.parts import PART_KINDS
from selcon_tabletop.view_files import OBJECT_KINDS

NAMES = {"parts": list(PART_KINDS), "objects": list(OBJECT_KINDS)}


def check_names(root: Path) -> None:
    """Raise SelconError where parts.json in `root` names other parts or objects than this version draws: its
    label maps would be misread, and new scenes would not fit to the old ones."""
    path = root / "parts.json"
    if path.is_file() and read_object(path, SelconError) != NAMES:
        raise SelconError(
            f"{path} names other parts or objects than this version renders: "
            "render a new data set into another folder"
        )
