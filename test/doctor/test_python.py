"""Each fault of a Python environment is told, with what to type."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from selcon_ros.doctor import python
from selcon_ros.doctor.check import Check, CheckLevel


def by_name(checks: Iterator[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


@pytest.fixture
def no_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only Python and ROS are looked at: importing the libraries takes long."""
    monkeypatch.setattr(python, "LIBRARIES", {})


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose modules come before all others, also in other processes."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "rclpy"]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path


def make_rclpy(folder: Path, ending: str) -> None:
    (folder / "rclpy").mkdir()
    (folder / "rclpy" / "__init__.py").touch()
    (folder / "rclpy" / f"_rclpy_pybind11{ending}").touch()


def test_what_is_installed_here_is_in_order() -> None:
    found = by_name(python.check_python())
    assert [found[name].level for name in ("Python", "numpy", "cv2", "onnxruntime")] == [CheckLevel.OK] * 4
    assert sys.executable in found["Python"].found


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("raise ImportError('numpy.core.multiarray failed to import')", "numpy.core.multiarray failed"),
        ("import os; os.abort()", "ends the process with SIGABRT"),
        ("import sys; sys.exit(3)", "it said nothing"),
    ],
)
def test_a_library_that_cannot_be_imported_fails(
    modules: Path, content: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (modules / "cv2.py").write_text(content)
    monkeypatch.setattr(python, "LIBRARIES", {"cv2": python.LIBRARIES["cv2"]})
    check = by_name(python.check_python())["cv2"]
    assert check.level == CheckLevel.FAIL and said in check.found
    assert "pip install" in check.remedy


def test_a_library_that_does_not_end_is_given_up(modules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python, "TRIAL_SECONDS", 0.5)
    monkeypatch.setattr(python, "LIBRARIES", {"endless": "wait"})
    (modules / "endless.py").write_text("import time; time.sleep(60)")
    check = by_name(python.check_python())["endless"]
    assert check.level == CheckLevel.FAIL and "did not answer within 0.5 s" in check.found


@pytest.mark.usefixtures("no_libraries")
def test_rclpy_of_another_python_fails(modules: Path) -> None:
    make_rclpy(modules, ".cpython-399-x86_64-linux-gnu.so")
    assert not python.has_rclpy()
    check = by_name(python.check_python())["ROS 2"]
    assert check.level == CheckLevel.FAIL and "is built for cpython 3.99" in check.found
    assert "-m venv --system-site-packages" in check.remedy


@pytest.mark.usefixtures("no_libraries")
def test_rclpy_of_this_python_is_in_order(modules: Path) -> None:
    import sysconfig

    make_rclpy(modules, str(sysconfig.get_config_var("EXT_SUFFIX")))
    assert python.has_rclpy()
    assert by_name(python.check_python())["ROS 2"].level == CheckLevel.OK


@pytest.fixture
def no_rclpy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_libraries: None) -> Path:
    """Where a ROS would be installed."""
    monkeypatch.setattr(python, "_rclpy_folder", lambda: None)
    monkeypatch.setattr(python, "INSTALLED_ROS", tmp_path / "ros")
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    return tmp_path / "ros"


def test_no_ros_is_told_with_what_needs_it(no_rclpy: Path) -> None:
    check = by_name(python.check_python())["ROS 2"]
    assert check.level == CheckLevel.WARN and "selcon ground" in check.found and "pip install" in check.remedy
    assert not python.has_ros()


def test_ros_that_is_there_and_not_sourced_fails(no_rclpy: Path) -> None:
    (no_rclpy / "jazzy").mkdir(parents=True)
    (no_rclpy / "jazzy" / "setup.bash").touch()
    check = by_name(python.check_python())["ROS 2"]
    assert check.level == CheckLevel.FAIL and check.remedy == f"source {no_rclpy}/jazzy/setup.bash"
    assert python.has_ros()


def test_ros_that_is_sourced_and_not_found_fails(no_rclpy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMENT_PREFIX_PATH", "/opt/ros/jazzy")
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    check = by_name(python.check_python())["ROS 2"]
    assert check.level == CheckLevel.FAIL and check.found.startswith("jazzy is sourced, but")
    assert python.has_ros()


@pytest.mark.usefixtures("no_libraries")
def test_conda_before_an_installed_ros_is_told(modules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_rclpy(modules, ".so")
    monkeypatch.setattr(python, "INSTALLED_ROS", modules)
    monkeypatch.setenv("CONDA_PREFIX", "/home/me/conda")
    check = by_name(python.check_python())["Python"]
    assert check.level == CheckLevel.WARN and "/home/me/conda" in check.found
    monkeypatch.delenv("CONDA_PREFIX")
    assert by_name(python.check_python())["Python"].level == CheckLevel.OK


def test_a_middleware_that_is_not_installed_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rclpy", reason="rclpy is missing: pip install 'selcon_ros[ros]'")
    assert by_name(python.check_ros_libraries())["middleware"].level == CheckLevel.OK
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_carrier_pigeon")
    check = by_name(python.check_ros_libraries())["middleware"]
    assert check.level == CheckLevel.FAIL
    assert "apt install ros-$ROS_DISTRO-rmw-carrier-pigeon" in check.remedy


def test_ros_without_a_folder_for_its_logs_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rclpy", reason="rclpy is missing: pip install 'selcon_ros[ros]'")
    monkeypatch.setenv("ROS_LOG_DIR", "/dev/null/log")
    check = by_name(python.check_ros_libraries())["middleware"]
    assert check.level == CheckLevel.FAIL and "ROS_LOG_DIR" in check.remedy


def test_a_cv_bridge_that_fails_is_told(modules: Path) -> None:
    pytest.importorskip("sensor_msgs", reason="sensor_msgs is missing: pip install 'selcon_ros[ros]'")
    (modules / "cv_bridge.py").write_text("raise ImportError('built for another numpy')")
    check = by_name(python.check_ros_libraries())["cv_bridge"]
    assert check.level == CheckLevel.WARN and "built for another numpy" in check.found
