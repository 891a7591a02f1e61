"""A folder of photos, and the drawings on them that are kept in a data set: read, changed, turned into masks.

`OUT/drawings/` holds a JSON file for every photo, the source of its masks, and label.json with the actions.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Literal

from filelock import FileLock, Timeout

from selcon_ros.core.files.atomic_write import write_json
from selcon_ros.core.files.json_file import read_object
from selcon_ros.core.files.plain_file import read_bytes
from selcon_ros.core.pictures.image_decoding import judge
from selcon_ros.core.pictures.picture_folder import IMAGE_SUFFIXES
from selcon_ros.core.text import quoted
from selcon_training.adapt.labelling.drawing import Change, MaskDrawing, masks, parse_drawing
from selcon_training.adapt.labelling.layout import write_own, write_photo
from selcon_training.adapt.picture_files import PictureFiles, walk
from selcon_training.data.images import PIXEL_LIMIT
from selcon_training.data.listing import NOTE_SUFFIXES, suffix_counts
from selcon_training.data.splitting import UNNAMED
from selcon_training.data.text_lists import checked_actions
from selcon_training.errors import DataError

DRAWINGS_FOLDER, ACTIONS_FILE, DESCRIPTION_FILE = "drawings", "label.json", "dataset.json"
State = Literal["open", "done", "nothing", "again"]
"""Of a photo: nothing drawn yet; labelled; labelled before an action was added."""


class ConflictError(DataError):
    """A photo was changed from elsewhere since the page has read it."""


@dataclass(frozen=True)
class WorkspacePhoto:
    """A photo: its path from the folder of photos, and the name (without suffix) of its files in the data
    set."""

    name: str
    stem: str


class Workspace:
    """Photos and their drawings. Several threads may use it. `close` it at the end.

    Raises DataError for folders that cannot be used, OSError where nothing can be written.
    """

    def __init__(self, folder: Path, out: Path, actions: Sequence[str] | None) -> None:
        self.folder, self.out = folder, out
        self.photos, self.unread = _photos(folder, out)
        self.actions = _actions(out, actions)
        self._drawings = out / DRAWINGS_FOLDER
        self._drawings.mkdir(parents=True, exist_ok=True)
        self._file_lock = FileLock(self._drawings / ".lock")
        try:
            self._file_lock.acquire(timeout=0)
        except Timeout:
            raise DataError(
                f"{out} is open in another `selcon data label`: use its page, or end that one first"
            ) from None
        self._lock = threading.RLock()
        self.changed = threading.Event()
        """Set when there may be masks to write."""
        self.problem = ""
        write_json(self._drawings / ACTIONS_FILE, {"actions": list(self.actions)})
        if not (out / DESCRIPTION_FILE).exists():
            write_json(out / DESCRIPTION_FILE, {"name": out.resolve().name, "exhaustive_truth": True})
        self._known: dict[int, MaskDrawing] = {}
        for number, photo in enumerate(self.photos):
            path = self._path(photo)
            if path.exists():
                self._known[number] = parse_drawing(read_bytes(path, DataError), str(path))

    def close(self) -> None:
        """Let others open the data set."""
        self._file_lock.release()

    def state(self, number: int) -> State:
        """What is known of a photo."""
        drawing = self._known.get(number)
        if drawing is None or not drawing.labelled:
            return "open"
        if not set(self.actions) <= set(drawing.actions):
            return "again"
        return "nothing" if drawing.nothing else "done"

    def object_of(self, number: int) -> str:
        """The object that a photo shows: as said on the page, or else the folder that it lies in."""
        drawing = self._known.get(number)
        if drawing is not None and drawing.object:
            return drawing.object
        return _as_folder(PurePosixPath(self.photos[number].name).parent.name)

    def drawing(self, number: int) -> MaskDrawing:
        """A photo's drawing. Raises DataError for a photo that cannot be read or is not the one drawn on."""
        photo = self.photos[number]
        path = self.folder / photo.name
        content = read_bytes(path, DataError)
        header = judge(content, path, DataError)
        PIXEL_LIMIT.check(path, (header.width, header.height), header.width * header.height, DataError)
        mark = sha256(content).hexdigest()
        with self._lock:
            known = self._known.get(number)
            if known is not None:
                _check_same(path, content, known)
            turned = header.orientation > 4
            return known or MaskDrawing(
                revision=0, object=self.object_of(number), nothing=False, strokes=[], photo=photo.name,
                sha256=mark, width=header.height if turned else header.width,
                height=header.width if turned else header.height,
            )  # fmt: skip

    def change(self, number: int, change: Change) -> MaskDrawing:
        """Keep what a page has drawn, at once and safely. Raises ConflictError, DataError, OSError."""
        before = self.drawing(number)
        with self._lock:
            current = self._known.get(number, before)
            if change.revision != current.revision:
                raise ConflictError(f"{self.photos[number].name} was changed in another page")
            folder_name(change.object)
            kept = current.model_copy(
                update={name: getattr(change, name) for name in ("object", "nothing", "strokes")}
                | {"revision": current.revision + 1, "actions": list(self.actions), "written": False}
            )
            self._keep(number, kept)
        self.changed.set()
        return kept

    def write_masks(self) -> None:
        """Write the masks of all photos whose drawing has changed. What could not be written is in
        `problem`, and is tried again the next time."""
        self.changed.clear()
        with self._lock:
            waiting = [number for number, drawing in self._known.items() if not drawing.written]
        problems = []
        for number in waiting:
            try:
                self._write(number)
            except (DataError, OSError) as error:
                problems.append(f"the masks of {self.photos[number].name} are not written: {error}")
        others = f" (and those of {len(problems) - 1} other photos)" if len(problems) > 1 else ""
        self.problem = problems[-1] + others if problems else ""

    def _write(self, number: int) -> None:
        drawing, photo = self._known[number], self.photos[number]
        path = self.folder / photo.name
        content = read_bytes(path, DataError)
        _check_same(path, content, drawing)
        orientation = judge(content, path, DataError).orientation
        parts = None if drawing.nothing else masks(drawing.strokes, (drawing.height, drawing.width))
        if whole := [action for action, mask in (parts or {}).items() if mask.all()]:
            raise DataError(f"{whole[0]} covers all of the photo: mark only the part to use")
        thing = folder_name(drawing.object) or UNNAMED
        write_photo(self.out, path, photo.stem, thing, parts, orientation)
        with self._lock:
            if self._known[number].revision == drawing.revision:
                self._keep(number, drawing.model_copy(update={"written": True}))

    def _keep(self, number: int, drawing: MaskDrawing) -> None:
        write_own(self._path(self.photos[number]), drawing.model_dump_json().encode())
        self._known[number] = drawing

    def _path(self, photo: WorkspacePhoto) -> Path:
        return self._drawings / f"{photo.stem}.json"


def _check_same(path: Path, content: bytes, drawing: MaskDrawing) -> None:
    """Raise DataError for a photo that is not the one drawn on."""
    if sha256(content).hexdigest() != drawing.sha256:
        raise DataError(
            f"{path} is not the photo that was labelled under this name: put that one back, or give the new "
            "one another name"
        )


def folder_name(text: str) -> str:
    """An object's name as a folder has it. Raises DataError for one that cannot be."""
    name = "_".join(text.split())
    if name.startswith(".") or not re.fullmatch(r"[\w.+-]*", name):
        raise DataError(f"the object {quoted(text)} is to be a folder's name: letters, digits, - and _")
    return name


def _as_folder(text: str) -> str:
    """The object's name that the name of any folder gives: what `folder_name` refuses becomes `_`."""
    return re.sub(r"[^\w.+ -]+", "_", text).lstrip(".")


def _photos(folder: Path, out: Path) -> tuple[list[WorkspacePhoto], str]:
    """The photos, and counts of files in formats that are not read ("" for none)."""
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder: give the one with your photos")
    if out.resolve() == folder.resolve() or folder.resolve() in out.resolve().parents:
        raise DataError(f"--out {out} lies in the folder of the photos, {folder}: give one outside of it")
    files = walk(folder)
    unread = [
        path
        for path in map(Path, files)
        if path.suffix.lower() not in (*IMAGE_SUFFIXES, *NOTE_SUFFIXES) and path.suffix
    ]
    unread_text = suffix_counts(unread) if unread else ""
    stems: dict[str, str] = {}
    for name in PictureFiles(folder, files).paths:
        if not name.isprintable():  # a name that is no text, or would break a line
            raise DataError(f"{folder} holds {quoted(name)}: give that photo a name of plain text")
        stem = str(PurePosixPath(name).with_suffix("")).replace("/", "__")
        if stem == Path(ACTIONS_FILE).stem or stem in stems:
            other = f" and {stems[stem]}" if stem in stems else ""
            raise DataError(
                f"{name}{other} in {folder}: the files of a data set need other names: rename one"
            )
        stems[stem] = name
    if not stems:
        other = f", but {unread_text}, which are not read: convert them" if unread_text else ""
        raise DataError(f"{folder} holds no photo ({', '.join(IMAGE_SUFFIXES)}){other}")
    return [WorkspacePhoto(name, stem) for stem, name in stems.items()], unread_text


def _actions(out: Path, wanted: Sequence[str] | None) -> tuple[str, ...]:
    """The actions of a data set that is gone on with, and those that are wanted besides."""
    known: tuple[str, ...] = ()
    path = out / DRAWINGS_FOLDER / ACTIONS_FILE
    if path.exists():
        listed = read_object(path, DataError).get("actions")
        if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
            raise DataError(f"{path} must hold the list of actions: put it back, or give another --out")
        known = tuple(listed)
    elif out.exists() and any(out.iterdir()):
        raise DataError(f"{out} is not empty, and `selcon data label` did not make it: give another --out")
    every = checked_actions(list(dict.fromkeys([*known, *(wanted or [])])), "--action")
    odd = [action for action in every if folder_name(action) != action]
    if odd:
        raise DataError(f"the action {quoted(odd[0])} is to be a folder's name, such as cut_with")
    return every
