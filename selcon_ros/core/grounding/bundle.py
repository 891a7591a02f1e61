"""Model bundles: what training hands to the robot, a folder or a .zip of it, verified when loaded."""

import hashlib
import os
import re
import zipfile
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from selcon_ros.core.errors import BundleError
from selcon_ros.core.files.atomic_write import check_destination, making_folder, writing
from selcon_ros.core.files.plain_file import read_bytes
from selcon_ros.core.files.user_path import user_path
from selcon_ros.core.files.zip_file import Archive, open_zip
from selcon_ros.core.grounding.confidence import ConfidenceFit
from selcon_ros.core.grounding.manifest import BundleFile, Encoder, Manifest, Normalisation
from selcon_ros.core.grounding.onnx_file import check_onnx
from selcon_ros.core.text import one_line, quoted

__all__ = [
    "Bundle",
    "BundleFile",
    "ConfidenceFit",
    "Encoder",
    "Manifest",
    "Normalisation",
    "default_bundle_path",
    "load_bundle",
    "load_with_samples",
    "model_role",
    "sample_roles",
    "write_bundle",
]

MANIFEST_FILE = "manifest.json"
MAX_MANIFEST_BYTES = 1 << 20
# An ONNX file is one protobuf message, which cannot be larger.
MAX_FILE_BYTES = 1 << 31
MAX_BUNDLE_BYTES = 2 * MAX_FILE_BYTES
# Files that answer actions outside the class list, for workstations: see `selcon export --open`.
OPEN_ROLES = ("open_model", "open_text")
# The same graph with weights of 8 bits, for CPUs: see `selcon quantize`.
INT8_ROLE = "model.int8"
_MAX_PATH_LENGTH = 200
"""Characters of a file's path."""
PRECISIONS = ("auto", "fp32", "fp16", "bf16", "int8")
# A few pictures of the kind the model is for, which engines are compared on: see `samples`.
_SAMPLE_ROLE = re.compile(r"sample\.([1-9][0-9]*)")


@dataclass(frozen=True)
class Bundle:
    """A verified bundle: its manifest, and the content of the files that were asked for, by role."""

    manifest: Manifest
    files: dict[str, bytes]
    path: Path

    @property
    def model(self) -> bytes:
        """The ONNX graph."""
        return self.files["model"]

    @property
    def sample_files(self) -> dict[str, bytes]:
        """Those of the files that are sample pictures, by role."""
        return {role: self.files[role] for role in sample_roles(self.files)}


def default_bundle_path() -> Path:
    """Return the folder of the packaged bundle (selcon_ros/assets/tabletop)."""
    return Path(__file__).resolve().parents[2] / "assets" / "tabletop"


def sample_roles(roles: Iterable[str]) -> list[str]:
    """Return those of a bundle's file roles that are sample pictures: sample.1, sample.2 and so on."""
    found = [(int(match[1]), role) for role in roles if (match := _SAMPLE_ROLE.fullmatch(role))]
    return [role for _, role in sorted(found)]


def load_bundle(path: str | Path, roles: Collection[str] | None = None) -> Bundle:
    """Read a bundle folder or .zip into memory and verify it: all its files, or only those of `roles`.

    Raises BundleError when it is missing, its manifest is wrong, a file is missing, lies outside the
    bundle, does not have the SHA-256 that the manifest gives, or is larger than a network can be, and for an
    ONNX file that keeps weights elsewhere or has operators that are not ONNX's.
    """
    path = user_path(path, BundleError)
    try:
        if path.is_dir():
            return _read(path, roles, lambda name, limit: _read_in_folder(path, name, limit))
        if not path.is_file():
            raise FileNotFoundError
        with open_zip(path, BundleError) as archive:
            prefix = _zip_prefix(archive)
            return _read(path, roles, lambda name, limit: archive.read(prefix + name, limit))
    except FileNotFoundError:
        raise BundleError(f"no model bundle at {path}: give a bundle folder or .zip") from None
    except BundleError as error:
        raise BundleError(f"bundle {path}: {error}") from None
    except OSError as error:
        raise BundleError(f"bundle {path}: {error.strerror or error}") from None


def load_with_samples(path: str | Path) -> Bundle:
    """Read of a bundle its fp32 graph and its samples: what engines are made of and compared on.

    Raises BundleError as `load_bundle` does.
    """
    return load_bundle(path, roles=("model", *sample_roles(load_bundle(path, roles=()).manifest.files)))


def model_role(manifest: Manifest, path: str | Path, precision: str) -> str:
    """Return the role of the graph that a CPU runs for one of PRECISIONS, of the bundle at `path`.

    auto: int8 where the bundle has it, since it was measured against fp32 when it was made. Raises
    BundleError for int8 that the bundle lacks, and for other precisions.
    """
    if precision == "fp16":
        raise BundleError("fp16 is for GPUs: choose auto, fp32 or int8 on a CPU")
    if precision not in PRECISIONS:
        raise BundleError(f"unknown precision {precision!r}: choose one of {', '.join(PRECISIONS)}")
    has_int8 = INT8_ROLE in manifest.files
    if precision == "int8" and not has_int8:
        raise BundleError(f"bundle {path} has no int8 model: make one with `selcon quantize`, or choose fp32")
    return INT8_ROLE if has_int8 and precision in ("auto", "int8") else "model"


def write_bundle(out: str | Path, manifest: Manifest, files: Mapping[str, bytes]) -> Manifest:
    """Write a bundle to the folder `out` (or the archive, if it ends in .zip) and return its manifest.

    `files` maps a role to its content; "model" is the ONNX graph and must be there. A role's file is
    called as `manifest.files` says, else "<role>.onnx", a sample "samples/<number>.jpg". Hashes are filled
    in. `out` appears complete or not at all; an existing bundle there is replaced, anything else is left
    alone with a BundleError.
    """
    out = user_path(out, BundleError)
    if "model" not in files:
        raise BundleError(f"a bundle needs the file role 'model', got {sorted(files)}")
    entries = {}
    for role, content in files.items():
        name = manifest.files[role].path if role in manifest.files else _file_name(role)
        entries[role] = BundleFile(_inner_path(role, name), hashlib.sha256(content).hexdigest())
    if len({MANIFEST_FILE, *(entry.path for entry in entries.values())}) != len(entries) + 1:
        raise BundleError(f"two files of the bundle would share a name: {entries}")
    manifest = replace(manifest, files=entries)
    contents = {MANIFEST_FILE: manifest.to_json().encode()}
    contents |= {entry.path: files[role] for role, entry in entries.items()}
    check_bundle_destination(out)
    try:
        if out.suffix == ".zip":
            _write_zip(out, contents)
        else:
            _write_folder(out, contents)
    except OSError as error:
        raise BundleError(f"cannot write bundle {out}: {error.strerror}") from error
    return manifest


def check_bundle_destination(out: str | Path) -> None:
    """Raise the BundleError that writing a bundle to `out` would end in, before the work for it is done."""
    out = user_path(out, BundleError)
    packed = out.suffix == ".zip"
    try:
        if packed or not out.is_dir():
            check_destination(out)
        else:  # it is replaced as a whole, in the folder that it lies in
            check_destination(Path(os.path.realpath(out)).parent, folder=True)
    except OSError as error:
        raise BundleError(f"cannot write bundle {out}: {error.strerror}") from error
    if packed:
        foreign = out.exists() and not zipfile.is_zipfile(out)
    else:
        foreign = (
            out.exists() and not (out / MANIFEST_FILE).is_file() and (not out.is_dir() or any(out.iterdir()))
        )
    if foreign:
        raise BundleError(f"{out} exists and is not a bundle: it is left alone; choose another path")


def _read(path: Path, roles: Collection[str] | None, read: Callable[[str, int], bytes]) -> Bundle:
    manifest = Manifest.from_json(read(MANIFEST_FILE, MAX_MANIFEST_BYTES))
    if "model" not in manifest.files:
        raise BundleError(f"manifest.json: files must name 'model', got {sorted(manifest.files)[:9]}")
    files: dict[str, bytes] = {}
    for role, entry in manifest.files.items():
        if roles is not None and role not in roles:
            continue
        left = MAX_BUNDLE_BYTES - sum(map(len, files.values()))
        content = read(_inner_path(role, entry.path), min(MAX_FILE_BYTES, left))
        digest = hashlib.sha256(content).hexdigest()
        if digest != entry.sha256:
            raise BundleError(
                f"{entry.path} was changed or damaged: its SHA-256 is {digest}, "
                f"the manifest says {entry.sha256 or 'nothing'}; get the bundle again"
            )
        if _SAMPLE_ROLE.fullmatch(role) is None:
            check_onnx(content, entry.path, BundleError)
        files[role] = content
    return Bundle(manifest, files, path)


def _file_name(role: str) -> str:
    sample = _SAMPLE_ROLE.fullmatch(role)
    return f"samples/{sample[1]}.jpg" if sample else f"{role}.onnx"


def _inner_path(role: str, name: str) -> str:
    """Return `name` if it is a plain relative path inside a bundle."""
    parts = PurePosixPath(name).parts
    foreign = name.startswith("/") or ".." in parts or "\\" in name or ":" in name
    if not parts or foreign or len(name) > _MAX_PATH_LENGTH or not name.isprintable():
        raise BundleError(
            f"files.{one_line(role, 80)}.path must be a relative path inside the bundle, of at most "
            f"{_MAX_PATH_LENGTH} characters, got {quoted(name, 80)}"
        )
    return str(PurePosixPath(name))


def _read_in_folder(folder: Path, name: str, limit: int) -> bytes:
    # Not Path.resolve, which raises RuntimeError for links that lead in a circle.
    file = Path(os.path.realpath(folder / name))
    if not file.is_relative_to(os.path.realpath(folder)):
        raise BundleError(f"{name} leads out of the bundle, to {file}")
    if not file.exists():
        raise BundleError(f"{name} is missing")
    return read_bytes(file, BundleError, limit)


def _zip_prefix(archive: Archive) -> str:
    """Return "" or the one top folder: archives are made of a folder or of its content."""
    found = [name for name in archive.names if name.split("/")[-1] == MANIFEST_FILE and name.count("/") <= 1]
    if len(found) != 1:
        raise BundleError(f"it must hold one {MANIFEST_FILE}, found {len(found)}")
    return found[0].removesuffix(MANIFEST_FILE)


def _write_zip(out: Path, contents: Mapping[str, bytes]) -> None:
    with writing(out) as stream, zipfile.ZipFile(stream, "w") as archive:
        for name, content in contents.items():
            # A fixed date: the same content gives the same archive.
            archive.writestr(zipfile.ZipInfo(name, (2025, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)


def _write_folder(out: Path, contents: Mapping[str, bytes]) -> None:
    with making_folder(out) as fresh:
        for name, content in contents.items():
            file = fresh / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
