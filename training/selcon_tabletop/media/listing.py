"""The lists of free files: what is taken out of which package, with its hash, licence, author and use."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from selcon_ros.core.errors import SelconError
from selcon_ros.core.files.json_file import read_object
from selcon_ros.core.text import quoted

LISTS_FOLDER = Path(__file__).with_name("lists")
FORMAT_VERSION = 1
FOLDER_OF_KIND = {"picture": "pictures", "texture": "textures", "mesh": "meshes"}
"""Kinds of files, and the folder of each."""
USES_OF_KIND = {
    "picture": ("background", "negative", "calibration"),
    "texture": ("texture",),
    "mesh": ("object", "thing", "room"),
}
"""What files of each kind may be used for; a picture for calibration is for nothing else."""
REGISTRIES = ("debian", "pypi")
_HASH = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~_-]*")


class MediaError(SelconError):
    """Free files cannot be collected as asked: the message names the file or package and what to do."""


@dataclass(frozen=True)
class Listed:
    """A file to collect.

    `path` is its place in the package or, where `archive` is given, in that archive of the package; `to` its
    place in the collection; `sha256` the hash of the file as it lies there. `size_cm` (width, depth, height),
    `rotation` (3×3, by rows, or empty) and `icon` (a picture in the archive) are of meshes.
    """

    path: str
    archive: str
    to: str
    sha256: str
    kind: str
    use: tuple[str, ...]
    category: str
    title: str
    author: str
    licence: str
    link: str
    size_cm: tuple[float, ...] = ()
    rotation: tuple[float, ...] = ()
    icon: str = ""


@dataclass(frozen=True)
class MediaPackage:
    """A package and the files that are taken out of it; `archives` maps archives in it to their sha256.

    A `large` one, of over half a gigabyte, is collected only where it is asked for.
    """

    name: str
    package: str
    version: str
    registry: str
    title: str
    files: tuple[Listed, ...]
    archives: dict[str, str] = field(default_factory=dict)
    large: bool = False


def read_sources(
    folder: Path | None = None, only: Sequence[str] = (), large: bool = True
) -> list[MediaPackage]:
    """Return the lists of a folder (default: LISTS_FOLDER): all, all but the large ones, or those in `only`.

    Raises MediaError.
    """
    found = {path.stem: path for path in sorted((folder or LISTS_FOLDER).glob("*.json"))}
    for name in only:
        if name not in found:
            raise MediaError(f"there is no list called {quoted(name)}; there are {', '.join(found)}")
    sources = [read_source(path) for name, path in found.items() if not only or name in only]
    sources = [each for each in sources if large or only or not each.large]
    places: dict[str, str] = {}
    for source in sources:
        for each in source.files:
            other = places.setdefault(each.to.lower(), source.name)
            if other is not source.name:
                raise MediaError(f"the lists {other} and {source.name} both have the place {each.to}")
    return sources


def read_source(path: Path) -> MediaPackage:
    """Return one list. Raises MediaError naming the file, the entry and the key that is wrong."""
    value = read_object(path, MediaError)
    if value.get("format") != FORMAT_VERSION:
        raise MediaError(f"{path}: its format is {quoted(value.get('format'))}, read is {FORMAT_VERSION}")
    package, version = _name(value, "package", path), _name(value, "version", path)
    if value.get("registry") not in REGISTRIES:
        raise MediaError(f"{path}: registry must be one of {', '.join(REGISTRIES)}")
    archives = value.get("archives", {})
    if not isinstance(archives, dict):
        raise MediaError(f"{path}: archives must be an object of names with their sha256")
    for name, sha256 in archives.items():
        inside(name, f"{path}: archives")
        _check_hash(sha256, f"{path}: archives: {name}")
    files = value.get("files")
    if not isinstance(files, list) or not all(isinstance(each, dict) for each in files):
        raise MediaError(f"{path}: files must be a list of objects")
    listed = []
    seen: set[str] = set()
    for number, entry in enumerate(files):
        each = _listed({**value, **entry}, archives, f"{path}: files[{number}]")
        if each.to.lower() in seen:
            raise MediaError(f"{path}: files[{number}]: the place {each.to} is taken by another file")
        seen.add(each.to.lower())
        listed.append(each)
    return MediaPackage(
        path.stem,
        package,
        version,
        str(value["registry"]),
        _text(value, "title", str(path)),
        tuple(listed),
        dict(archives),
        value.get("large") is True,
    )


def inside(name: object, where: str) -> str:
    """Return a relative path that stays in its folder. Raises MediaError, with `where`, for any other."""
    parts = PurePosixPath(name).parts if isinstance(name, str) else ()
    if (
        not isinstance(name, str)
        or not parts
        or name.startswith("/")
        or "\\" in name
        or "\0" in name
        or any(part == ".." or part.endswith(":") for part in parts)
    ):
        raise MediaError(f"{where}: {quoted(name, 200)} must be a path that stays in its folder")
    return name


def _listed(value: dict[str, Any], archives: dict[str, str], where: str) -> Listed:
    path = inside(value.get("path"), f"{where}: path")
    where = f"{where} ({path})"
    archive = value.get("archive", "")
    if archive and archive not in archives:
        raise MediaError(f"{where}: the archive {quoted(archive)} is not among the list's archives")
    kind, use = value.get("kind"), value.get("use")
    if kind not in FOLDER_OF_KIND:
        raise MediaError(f"{where}: kind {quoted(kind)} must be one of {', '.join(FOLDER_OF_KIND)}")
    if not isinstance(use, list) or not use or any(each not in USES_OF_KIND[kind] for each in use):
        raise MediaError(f"{where}: use must list some of {', '.join(USES_OF_KIND[kind])}")
    if "calibration" in use and len(use) > 1:
        raise MediaError(f"{where}: a picture for calibration is held out of training: give no other use")
    to = inside(value.get("to"), f"{where}: to")
    if not to.startswith(FOLDER_OF_KIND[kind] + "/"):
        raise MediaError(f"{where}: to must begin with {FOLDER_OF_KIND[kind]}/")
    _check_hash(value.get("sha256"), f"{where}: sha256")
    link = _text(value, "link", where)
    if not link.startswith(("http://", "https://")):
        raise MediaError(f"{where}: link must begin with http:// or https://, not {quoted(link)}")
    return Listed(
        path=path,
        archive=archive,
        to=to,
        sha256=value["sha256"],
        kind=kind,
        use=tuple(use),
        category=_text(value, "category", where),
        title=_text(value, "title", where),
        author=_text(value, "author", where),
        licence=_text(value, "licence", where),
        link=link,
        size_cm=_numbers(value, "size_cm", 3, where) if kind == "mesh" else (),
        rotation=_numbers(value, "rotation", 9, where) if "rotation" in value else (),
        icon=inside(value["icon"], f"{where}: icon") if "icon" in value else "",
    )


def _text(value: dict[str, Any], key: str, where: str) -> str:
    text = value.get(key)
    if not isinstance(text, str) or not text.strip():
        raise MediaError(f"{where}: {key} must be a text that is not empty")
    return text


def _name(value: dict[str, Any], key: str, path: Path) -> str:
    text = _text(value, key, str(path))
    if not _NAME.fullmatch(text):
        raise MediaError(f"{path}: {key} {quoted(text)} is none")
    return text


def _check_hash(value: object, where: str) -> None:
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise MediaError(f"{where}: {quoted(value)} is no sha256 of 64 lower-case hexadecimal digits")


def _numbers(value: dict[str, Any], key: str, count: int, where: str) -> tuple[float, ...]:
    numbers = value.get(key)
    if (
        not isinstance(numbers, list)
        or len(numbers) != count
        or not all(isinstance(each, int | float) and not isinstance(each, bool) for each in numbers)
    ):
        raise MediaError(f"{where}: {key} must be {count} numbers")
    return tuple(float(each) for each in numbers)
