"""The message package: its codes are those of core, and the tool that builds it says what it lacks."""

import os
import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from selcon_ros.core.reason import Reason

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "selcon_interfaces"
SOURCES = sorted(path for path in PACKAGE.rglob("*") if path.suffix in (".msg", ".srv", ".action"))
BOND = ROOT / "test" / "ros" / "bond_messages"
TOOL = ROOT / "tools" / "build_interfaces.py"


def test_the_codes_of_the_message_are_those_of_core() -> None:
    text = (PACKAGE / "msg" / "Reason.msg").read_text()
    constants = {name: int(code) for name, code in re.findall(r"^uint16 (\w+)=(\d+)", text, re.MULTILINE)}
    assert constants == {"NONE": 0, **{reason.name: reason.code for reason in Reason}}


def test_a_reason_is_its_name_for_json() -> None:
    assert all(reason == reason.value == reason.name.lower() for reason in Reason)
    assert Reason("low_confidence") is Reason.LOW_CONFIDENCE
    codes = [reason.code for reason in Reason]
    assert len(set(codes)) == len(codes) and all(0 < code < 1 << 16 for code in codes)


def test_every_interface_is_built() -> None:
    listed = re.findall(r"^  (\w+/\w+\.\w+)$", (PACKAGE / "CMakeLists.txt").read_text(), re.MULTILINE)
    assert listed == sorted(listed, key=lambda name: (name[0] != "m", name[0] != "s", name))
    assert set(listed) == {str(path.relative_to(PACKAGE)) for path in SOURCES}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_field_is_explained(path: Path) -> None:
    explained = ""
    for line in path.read_text().splitlines():
        code, _, comment = line.partition("#")
        if code.strip() in ("", "---"):
            explained = comment.strip() or ("" if not line or code.strip() else explained)
        elif "=" not in code and code.split()[1] not in ("times", "code"):
            # A comment above holds for the fields that follow it without a gap.
            assert comment.strip() or explained, f"{path.name}: {line}"


def run(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(TOOL), *options],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(("options", "status"), [((), 1), (("--if-possible",), 0)])
def test_the_tool_names_the_compiler_that_is_missing(
    tmp_path: Path, options: tuple[str, ...], status: int
) -> None:
    done = run(*options, "--wheels", str(tmp_path), PATH=str(tmp_path), CC="", CXX="")
    assert done.returncode == status
    assert "not built: selcon_interfaces. This machine lacks" in done.stderr
    assert "a C and C++ compiler (Debian, Ubuntu: apt-get install g++)" in done.stderr
    assert not list(tmp_path.iterdir())


def test_what_is_built_already_is_not_built_again(tmp_path: Path) -> None:
    found = spec_from_file_location("build_interfaces", TOOL)
    assert found is not None and found.loader is not None
    tool = module_from_spec(found)
    found.loader.exec_module(tool)
    packages = (PACKAGE, BOND)
    for each in packages:
        if tool.installed(tool.described(each, "name")) != tool.version(each):
            pytest.skip(f"{each.name} is not built of these sources: tools/build_interfaces.py {each}")
    done = run("--wheels", str(tmp_path), *map(str, packages))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not list(tmp_path.iterdir())


def test_a_folder_without_a_package_is_refused(tmp_path: Path) -> None:
    done = run(str(tmp_path))
    assert done.returncode == 2 and f"{tmp_path} has no package.xml" in done.stderr
