"""What package.xml, setup.py and the sources say of the package agrees."""

import ast
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import selcon_ros

ROOT = Path(__file__).parents[2]
MANIFEST = ElementTree.parse(ROOT / "package.xml").getroot()
INTERFACES = ElementTree.parse(ROOT / "selcon_interfaces" / "package.xml").getroot()


def setup_arguments() -> dict[str, ast.expr]:
    tree = ast.parse((ROOT / "setup.py").read_text())
    call = next(
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setup"
    )
    return {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}


def test_one_version_everywhere() -> None:
    stated = ast.literal_eval(setup_arguments()["version"])
    assert MANIFEST.findtext("version") == stated == selcon_ros.__version__
    assert INTERFACES.findtext("version") == stated


def test_package_xml_is_format_3_and_built_by_ament_python() -> None:
    assert MANIFEST.get("format") == "3"
    assert MANIFEST.findtext("export/build_type") == "ament_python"
    assert MANIFEST.findtext("license") == "Apache-2.0"
    licence = MANIFEST.find("license")
    assert licence is not None and (ROOT / licence.get("file", "")).is_file()
    assert (ROOT / "resource" / "selcon_ros").is_file()


def test_package_xml_is_as_rep_149_asks() -> None:
    package = pytest.importorskip("catkin_pkg.package", reason="needs catkin_pkg: pip install catkin_pkg")
    package.parse_package(str(ROOT / "selcon_interfaces" / "package.xml"))  # raises InvalidPackage
    found = package.parse_package(str(ROOT / "package.xml"))
    assert found.urls and found.authors
    groups = [found.exec_depends, found.test_depends]
    assert all([each.name for each in group] == list(dict.fromkeys(map(str, group))) for group in groups)


def test_every_ros_package_imported_is_a_dependency() -> None:
    declared = {element.text for element in MANIFEST.findall("exec_depend")}
    groups = {element.text for element in MANIFEST.findall("group_depend")}
    if groups & {element.text for element in INTERFACES.findall("member_of_group")}:
        declared.add(INTERFACES.findtext("name"))
    ros = {
        "rclpy", "ament_index_python", "std_srvs", "lifecycle_msgs", "launch", "launch_ros", "cv_bridge",
    }  # fmt: skip
    used = set()
    for path in [*(ROOT / "selcon_ros").rglob("*.py"), *(ROOT / "launch").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            tops = {name.split(".")[0] for name in names}
            used |= {top for top in tops if top in ros or top.endswith(("_msgs", "_interfaces"))}
    assert "rclpy" in used
    assert used <= declared, f"package.xml lacks {sorted(used - declared)}"


def test_rosdep_brings_what_pip_would() -> None:
    keys = {
        "opencv-python-headless": "python3-opencv",
        "onnxruntime": "python3-onnxruntime-pip",
        "pyyaml": "python3-yaml",
    }
    needed = {re.split("[<>=]", each)[0] for each in ast.literal_eval(setup_arguments()["install_requires"])}
    wanted = {keys.get(name, f"python3-{name}") for name in needed}
    declared = {str(element.text) for element in MANIFEST.findall("exec_depend")}
    assert {key for key in declared if key.startswith("python3-")} == wanted


def test_tests_require_is_not_used() -> None:
    # colcon runs no test at all where setup.py has it, and reports success.
    assert "tests_require" not in setup_arguments()
