"""Whether this Python, ROS 2 and the compiled libraries fit together."""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from selcon_ros.core.machine.python_trial import try_python
from selcon_ros.doctor.check import Check, fail, ok, warn

INSTALLED_ROS = Path("/opt/ros")
TRIAL_SECONDS = 60.0
"""After which the import of a library is given up."""
COMPILED_MODULE = "_rclpy_pybind11"
"""The compiled module of rclpy; the end of its file's name tells for which Python it was built."""
LIBRARIES = {
    "numpy": "pip install --force-reinstall numpy",
    "cv2": "pip install --force-reinstall opencv-python-headless; for the system's: pip install 'numpy<2'",
    "onnxruntime": "pip install --force-reinstall onnxruntime",
}
"""What the node cannot do without, and what helps where it cannot be imported."""
ROS_REMEDY = "source /opt/ros/DISTRO/setup.bash, or without ROS packages: pip install 'selcon_ros[ros]'"
WITHOUT_ROS = (
    "there is none: the node, selcon demo, ground-bag, and selcon view of a node or a bag need it; selcon "
    "ground, selcon view of other sources, and import selcon_ros work"
)
# Run in another process: a library that does not fit may end it.
_IMPORT_SCRIPT = "import {0}; print({0}.__version__, {0}.__file__)"
_RMW_SCRIPT = """
import rclpy
from rclpy.utilities import get_rmw_implementation_identifier
rclpy.init(args=[])
print(get_rmw_implementation_identifier())
"""


def check_python() -> Iterator[Check]:
    """Look at the interpreter, at ROS's, and at the compiled libraries."""
    yield _interpreter()
    for library, remedy in LIBRARIES.items():
        lines, fault = try_python(_IMPORT_SCRIPT.format(library), TRIAL_SECONDS)
        yield fail(library, f"importing it {fault}", remedy) if lines is None else ok(library, lines[-1])
    yield _ros()


def has_ros() -> bool:
    """Whether there is a ROS 2 here that could be used, in order or not."""
    return bool(_other_python() is not None or _sourced() or _installed())


def has_rclpy() -> bool:
    """Whether rclpy is there and made for this Python."""
    return _other_python() == ""


def check_ros_libraries() -> Iterator[Check]:
    """Look at the middleware, and at the ROS packages that the node can use; rclpy must be there."""
    yield _middleware()
    yield _cv_bridge()
    yield _interfaces()


def _interpreter() -> Check:
    kind = "virtual environment" if sys.prefix != sys.base_prefix else "system"
    said = f"{sys.version.split()[0]} ({kind}), {sys.executable}"
    conda = os.environ.get("CONDA_PREFIX", "")
    if conda and _from_installed_ros():
        return warn(
            "Python",
            f"{said}; the libraries of conda in {conda} are taken before those that ROS was built with",
            "conda deactivate, then use a virtual environment of the system's Python",
        )
    return ok("Python", said)


def _ros() -> Check:
    other = _other_python()
    if other is None:
        there = sorted(path.name for path in _installed())
        if _sourced():
            said = f"{_distribution() or 'one'} is sourced, but this Python does not find its rclpy"
            return fail("ROS 2", said, "keep PYTHONPATH as it was set, or: apt install ros-$ROS_DISTRO-rclpy")
        if there:
            said = f"ROS 2 {', '.join(there)} is in {INSTALLED_ROS} and not sourced"
            return fail("ROS 2", said, f"source {INSTALLED_ROS}/{there[-1]}/setup.bash")
        # A laptop on which pictures are grounded lacks nothing.
        return warn("ROS 2", WITHOUT_ROS, ROS_REMEDY)
    where = _rclpy_folder()
    if other:
        return fail(
            "ROS 2",
            f"rclpy in {where} is built for {other}, and this is Python {sys.version.split()[0]}",
            "make the virtual environment with ROS's Python: "
            "/usr/bin/python3 -m venv --system-site-packages .venv",
        )
    return ok("ROS 2", f"{_distribution()} rclpy in {where}".lstrip())


def _sourced() -> bool:
    # Not by ROS_DISTRO, which containers of ROS set in any case.
    return bool(os.environ.get("AMENT_PREFIX_PATH"))


def _distribution() -> str:
    return os.environ.get("ROS_DISTRO", "")


def _installed() -> list[Path]:
    return [path.parent for path in INSTALLED_ROS.glob("*/setup.bash")]


def _from_installed_ros() -> bool:
    folder = _rclpy_folder()
    return folder is not None and folder.is_relative_to(INSTALLED_ROS)


def _rclpy_folder() -> Path | None:
    spec = importlib.util.find_spec("rclpy")
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def _other_python() -> str | None:
    """Return for which other Python rclpy was built, "" if for this one, None without rclpy."""
    folder = _rclpy_folder()
    if folder is None:
        return None
    found = [
        path.name.removeprefix(COMPILED_MODULE) for path in sorted(folder.glob(f"{COMPILED_MODULE}*.so"))
    ]
    mine = {str(sysconfig.get_config_var("EXT_SUFFIX")), ".so", ".abi3.so"}
    # Where there is none by that name, rclpy is built in another way: importing it will tell.
    return "" if not found or mine & set(found) else found[0].split("-")[0].strip(".") + _version(found[0])


def _version(suffix: str) -> str:
    """Return the version in `.cpython-312-x86_64-linux-gnu.so`, as " 3.12"."""
    digits = "".join(each for each in suffix.split("-")[1] if each.isdigit()) if "-" in suffix else ""
    return f" {digits[0]}.{digits[1:]}" if len(digits) > 1 else ""


def _middleware() -> Check:
    """Start ROS in another process, and see which middleware runs it."""
    # Here: it imports numpy, which may be what is broken.
    from selcon_ros.ros.usage import LOG_FOLDER, lacks_log_folder

    wanted = os.environ.get("RMW_IMPLEMENTATION", "")
    lines, fault = try_python(_RMW_SCRIPT, TRIAL_SECONDS)
    if lines is not None:
        return ok("middleware", lines[-1])
    if lacks_log_folder(fault):
        return fail("middleware", f"starting ROS {fault}", LOG_FOLDER)
    remedy = (
        f"apt install ros-$ROS_DISTRO-{wanted.replace('_', '-')}, or: unset RMW_IMPLEMENTATION"
        if wanted
        else ROS_REMEDY
    )
    return fail("middleware", f"starting ROS {fault}", remedy)


def _cv_bridge() -> Check:
    from selcon_ros.ros.bridge import find_bridge

    bridge, said = find_bridge()
    there = importlib.util.find_spec("cv_bridge") is not None
    if bridge is None and there:
        return warn("cv_bridge", said, "nothing to do; or: pip install 'numpy<2', if it was built for that")
    return ok("cv_bridge", said)


def _interfaces() -> Check:
    from selcon_ros.ros.interfaces import MISSING

    if MISSING:
        return warn("selcon_interfaces", MISSING)
    return ok("selcon_interfaces", "typed results and requests are there")
