"""`selcon tabletop media`: collect the listed files of packages into a folder, with media.json and sheets."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from selcon_ros.core.files.atomic_write import write_file, write_json
from selcon_tabletop.media.archives import MAX_FILE_BYTES, Members, open_archive
from selcon_tabletop.media.listing import FORMAT_VERSION, Listed, MediaError, MediaPackage
from selcon_tabletop.media.meshes import read_mesh
from selcon_tabletop.media.packages import find_packages, read_files, remedy
from selcon_tabletop.media.sheet import contact_sheet, thumbnail

SHEETS_FOLDER = "sheets"
"""Folder of the contact sheets, one for each use."""
_MAX_NAMES_SHOWN = 10
"""Files named in a message."""


@dataclass
class Collected:
    """What lies in a folder: entries of media.json, and how many files were written (the rest was there)."""

    entries: list[dict[str, Any]] = field(default_factory=list)
    written: int = 0
    pictures: dict[str, NDArray[np.uint8]] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """Return counts: files by kind and by use, and files written."""
        return {
            "files": len(self.entries),
            "written": self.written,
            "kinds": dict(sorted(Counter(each["kind"] for each in self.entries).items())),
            "uses": dict(sorted(Counter(use for each in self.entries for use in each["use"]).items())),
        }


def collect(
    out: Path,
    sources: Sequence[MediaPackage],
    folder: Path | None = None,
    download: bool = False,
    progress: bool = True,
) -> Collected:
    """Collect the files of `sources` into `out` and return what lies there.

    Packages are looked for in `folder`, then among the installed ones, and with `download` fetched. What is
    there already stays. Raises MediaError for a missing package and for files that do not match their
    hashes: media.json is then not written.
    """
    packages = find_packages(sources, folder, download)
    collected = Collected()
    wrong: list[str] = []
    with tqdm(total=sum(len(each.files) for each in sources), unit="file", disable=not progress) as bar:
        for source in sources:
            faults = _collect(source, packages[source.name], out, collected, bar)
            if faults:
                more = f" and {len(faults) - _MAX_NAMES_SHOWN} more" if len(faults) > _MAX_NAMES_SHOWN else ""
                wrong.append(
                    f"{packages[source.name] or source.package + ' as installed'} does not match the list "
                    f"{source.name}: {', '.join(faults[:_MAX_NAMES_SHOWN])}{more}; {remedy(source)} gets the "
                    "version that is listed"
                )
    if wrong:
        raise MediaError("; ".join(wrong))
    collected.entries.sort(key=lambda each: str(each["path"]))
    for use in sorted({use for each in collected.entries for use in each["use"]}):
        shown = [
            (collected.pictures[each["path"]], f"{each['category']}: {Path(each['path']).stem}")
            for each in collected.entries
            if use in each["use"] and each["path"] in collected.pictures
        ]
        if shown:
            _write(out / SHEETS_FOLDER / f"{use}.jpg", contact_sheet(shown))
    write_json(out / "media.json", {"format": FORMAT_VERSION, "files": collected.entries})
    return collected


def _collect(
    source: MediaPackage, package: Path | None, out: Path, collected: Collected, bar: tqdm[Any]
) -> list[str]:
    """Collect one package's files and return what is wrong with them."""
    by_place: dict[str, list[Listed]] = {}
    for each in source.files:
        by_place.setdefault(each.archive or each.path, []).append(each)
    faults = []
    left = dict(by_place)
    for name, content in read_files(source, package, by_place):
        listed = left.pop(name)
        if not listed[0].archive:
            taken = [_take(each, source, content, None, out, collected) for each in listed]
            faults += [fault for fault in taken if fault]
        elif _sha256(content) != source.archives[name]:
            faults.append(f"{name} (another hash)")
        else:
            with open_archive(name, content) as archive:
                for each in listed:
                    inner = archive.read(each.path, MAX_FILE_BYTES)
                    fault = _take(each, source, inner, archive, out, collected)
                    faults += [fault] if fault else []
                    bar.update()
            continue
        bar.update(len(listed))
    return faults + [f"{name} (missing)" for name in left]


def _take(
    listed: Listed,
    source: MediaPackage,
    content: bytes,
    archive: Members | None,
    out: Path,
    collected: Collected,
) -> str:
    """Write one file and what belongs to it; return what is wrong with it, empty if nothing is."""
    if _sha256(content) != listed.sha256:
        return f"{listed.path} (another hash)"
    entry: dict[str, Any] = {
        "path": listed.to,
        "kind": listed.kind,
        "use": list(listed.use),
        "sha256": listed.sha256,
        "licence": listed.licence,
        "author": listed.author,
        "title": listed.title,
        "link": listed.link,
        "package": source.package,
        "version": source.version,
        "category": listed.category,
    }
    files = {listed.to: content}
    if listed.kind == "mesh" and archive is not None:
        mesh = read_mesh(archive, listed.path, content)
        folder = listed.to.rpartition("/")[0]
        files |= {f"{folder}/{name}": each for name, each in mesh.beside.items()}
        entry |= {
            "size_cm": list(listed.size_cm),
            "rotation": list(listed.rotation) or [1, 0, 0, 0, 1, 0, 0, 0, 1],
            "materials": list(mesh.materials),
            "beside": sorted(mesh.beside),
        }
        if listed.icon:
            icon = archive.read(listed.icon, MAX_FILE_BYTES)
            collected.pictures[listed.to] = thumbnail(icon, listed.icon)
    elif listed.kind != "mesh":
        collected.pictures[listed.to] = thumbnail(content, listed.path)
    for name, each in files.items():
        collected.written += _write(out / name, each)
    collected.entries.append(entry)
    return ""


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(path: Path, content: bytes) -> bool:
    """Write a file unless it has that content already; return whether it was written."""
    try:
        if path.stat().st_size == len(content) and path.read_bytes() == content:
            return False
    except OSError:
        pass
    write_file(path, content)
    return True
