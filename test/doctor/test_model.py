"""The model that the node would run is verified and run."""

import shutil
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from selcon_ros.core.grounding.bundle import default_bundle_path
from selcon_ros.doctor.check import CheckLevel
from selcon_ros.doctor.model import check_model


def test_the_packaged_model_runs() -> None:
    found = {check.name: check for check in check_model(None, "auto")}
    assert found["bundle"].found.startswith("tabletop")
    assert found["engine"].level == CheckLevel.OK and "ms a frame" in found["engine"].found


def test_a_changed_bundle_fails(tmp_path: Path) -> None:
    bundle = shutil.copytree(default_bundle_path(), tmp_path / "mine")
    with (bundle / "model.onnx").open("ab") as file:
        file.write(b"x")
    checks = list(check_model(bundle, "auto"))
    assert [check.level for check in checks] == [CheckLevel.FAIL]
    assert "model.onnx was changed or damaged" in checks[0].found and "--bundle" in checks[0].remedy


def test_an_engine_that_does_not_run_here_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selcon_ros.backends.tensorrt_library.import_module", _missing, raising=False)
    found = {check.name: check for check in check_model(None, "tensorrt")}
    assert found["engine"].level == CheckLevel.FAIL and found["engine"].remedy


def _missing(name: str) -> None:
    raise ImportError(f"No module named {name!r}")


@pytest.mark.parametrize(("setting", "level"), [("1", CheckLevel.OK), ("0", CheckLevel.WARN)])
def test_telemetry(monkeypatch: pytest.MonkeyPatch, setting: str, level: CheckLevel) -> None:
    monkeypatch.setattr("selcon_ros.doctor.model.version", lambda package: "1.32.0")
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", setting)
    found = {check.name: check for check in check_model(None, "auto")}
    assert found["telemetry"].level == level


@pytest.mark.parametrize("there", [True, False])
def test_openvino_is_optional(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    def version(package: str) -> str:
        if package == "openvino" and not there:
            raise PackageNotFoundError
        return "2026.4.1"

    monkeypatch.setattr("selcon_ros.doctor.model.version", version)
    found = next(check for check in check_model(None, "auto") if check.name == "OpenVINO")
    assert found.level == CheckLevel.OK
    assert found.found.startswith("2026.4.1; used where" if there else "not installed; it may be faster")
