import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import click
import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from selcon_ros.cli.commands import all_commands
from selcon_ros.cli.main import BASE_PACKAGES, EXTRAS, as_message, main
from selcon_ros.core.errors import BundleError

ROOT = Path(__file__).parents[2]


def test_help_lists_every_command_without_importing_any() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from selcon_ros.cli.main import main;"
        "print(CliRunner().invoke(main, ['--help']).output);"
        "heavy = {'numpy', 'cv2', 'scipy', 'torch', 'rclpy', 'onnxruntime', 'onnx', 'mujoco'};"
        "heavy |= {'yaml', 'rich', 'PIL', 'matplotlib', 'timm', 'pydantic', 'rosbags', 'tqdm'};"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & heavy))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert all(f"  {name}" in output for name in all_commands())
    assert "Examples:\n" in output
    assert output.strip().endswith("[]")


def test_unknown_command() -> None:
    result = CliRunner().invoke(main, ["grund"])
    assert result.exit_code == 2 and "No such command 'grund'" in result.output


@pytest.mark.parametrize(
    ("library", "command", "message"),
    [
        ("torch", "train", 'selcon train needs torch: install it with: pip install "selcon_ros[train]"'),
        ("torch.nn", "train", "needs torch"),
        ("mujoco", "tabletop", 'pip install "selcon_ros[sim]"'),
        ("rclpy", "demo", 'pip install "selcon_ros[ros]" or source your ROS 2 installation'),
        ("selcon_training", "export", "a clone of the repository"),
    ],
)
def test_a_missing_library_says_what_to_install(library: str, command: str, message: str) -> None:
    told = as_message(command, ImportError("No module", name=library))
    assert isinstance(told, click.ClickException) and message in told.message


@pytest.mark.parametrize(
    ("absent", "arguments", "hint"),
    [
        ("cv2", "ground x.png --action hold", "needs cv2: install it with: pip install opencv-python-"),
        ("onnxruntime", "ground @ --action hold", "pip install onnxruntime"),
        ("filelock", "engine list", 'pip install "selcon_ros[engine]"'),
        ("filelock", "engine clean --stale", 'pip install "selcon_ros[engine]"'),
        ("tensorrt_rtx filelock onnx", "engine build x --kind tensorrt_rtx", "pip install 'selcon_ros[rtx]'"),
        ("tensorrt filelock onnx", "engine build x --kind tensorrt", "pip install 'selcon_ros[trt]'"),
        ("rosbags", "demo", 'pip install "selcon_ros[demo]"'),
        ("rosbags", "play", 'pip install "selcon_ros[demo]"'),
        ("rclpy", "play", 'pip install "selcon_ros[ros]" or source your ROS 2 installation'),
    ],
)
def test_a_command_names_the_smallest_extra_that_helps(
    tmp_path: Path, absent: str, arguments: str, hint: str
) -> None:
    if absent == "rosbags" and find_spec("rclpy") is None:
        pytest.skip("needs ROS 2, which these commands would ask for first")
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((60, 80, 3), 128, np.uint8))
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    for name in absent.split():  # from processes that the command starts, too
        (hidden / f"{name}.py").write_text(f"raise ModuleNotFoundError('hidden', name={name!r})\n")
    given = [word.replace("@", str(tmp_path / "grey.png")) for word in arguments.split()]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({absent.split()!r}));"
        "from selcon_ros.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *given],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(hidden)},
    )
    assert done.returncode == 1 and hint in done.stderr.splitlines()[-1], done.stderr


def test_hints_name_extras_that_there_are() -> None:
    setup = (ROOT / "setup.py").read_text()
    assert all(f'"{extra}": ' in setup for extra in EXTRAS)
    assert all(f'"{package}>=' in setup for package in BASE_PACKAGES.values())


def test_an_import_error_that_is_a_fault_of_ours_is_not_hidden() -> None:
    error = ImportError("No module named 'selcon_ros.core.typo'", name="selcon_ros.core.typo")
    assert as_message("ground", error) is error


@pytest.mark.parametrize("library", ["torch", "mujoco", "rclpy", "onnxruntime"])
def test_a_robot_s_installation_grounds_or_says_what_is_missing(library: str) -> None:
    """With a library made unimportable, `selcon ground` still starts."""
    code = f"import sys; sys.modules[{library!r}] = None; from selcon_ros.cli.main import main; main()"
    result = subprocess.run([sys.executable, "-c", code, "ground", "--help"], capture_output=True, text=True)
    assert result.returncode == 0 and "Examples:" in result.stdout


def test_our_errors_are_one_line() -> None:
    told = as_message("ground", BundleError("no model bundle at x"))
    assert isinstance(told, click.ClickException) and told.message == "no model bundle at x"


INTERRUPTED = """
import importlib.abc, os, signal, sys

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "click":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
from selcon_ros.cli.start import main
main()
"""


def test_an_interrupt_while_libraries_are_imported_is_no_traceback():
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "")
