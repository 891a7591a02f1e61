"""Launch files: what they name exists; and, where ROS's launch is installed, what they would start."""

import ast
import importlib.util
import xml.etree.ElementTree as ElementTree
from dataclasses import fields
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "launch").glob("*.launch.py"))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def names(path: Path) -> set[str]:
    """Every string in the code, docstrings left out."""
    found = {
        node.value
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return found - {ast.get_docstring(tree(path), clean=False)}


def test_both_launch_files_are_there():
    assert [path.name for path in FILES] == ["demo.launch.py", "grounding.launch.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_that_are_named_exist_and_are_installed(path):
    endings = (".yaml", ".rviz", ".xml", ".launch.py")
    named = {name for name in names(path) if name.endswith(endings)}
    assert named
    for name in named:
        folder = "launch" if name.endswith(".launch.py") else "config"
        assert (ROOT / folder / name).is_file()
        assert f'glob("{folder}/' in (ROOT / "setup.py").read_text()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_packages_that_are_named_are_depended_on_and_their_executables_exist(path):
    depends = {
        element.text for element in ElementTree.parse(ROOT / "package.xml").getroot().iter("exec_depend")
    }
    for call in [node for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]:
        words = {each.arg: each.value.value for each in call.keywords if isinstance(each.value, ast.Constant)}
        if "package" in words:
            if words["package"] == "selcon_ros":
                assert (ROOT / "resource" / "bin" / words["executable"]).is_file()
            else:
                assert words["package"] in depends
    for module in [node.module for node in ast.walk(tree(path)) if isinstance(node, ast.ImportFrom)]:
        package = (module or "").split(".")[0]
        if package in ("launch", "launch_ros", "ament_index_python"):
            assert package in depends


def test_arguments_that_override_are_parameters_and_topics_are_the_nodes():
    from selcon_ros.ros.parameters import Settings

    values = {
        target.id: ast.literal_eval(node.value)
        for node in tree(ROOT / "launch" / "grounding.launch.py").body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert set(values["OVERRIDES"]) <= {each.name for each in fields(Settings)}
    page = (ROOT / "docs" / "topics.md").read_text()
    assert all(f"| `{topic}` |" in page.split("## Out")[0] for topic in values["TOPICS"])


def test_the_dds_profile_holds_large_images():
    space = {"f": "http://www.eprosima.com"}
    root = ElementTree.parse(ROOT / "config" / "fastdds_images.xml").getroot()
    transports = {
        each.findtext("f:type", namespaces=space): each
        for each in root.iter(f"{{{space['f']}}}transport_descriptor")
    }
    shm, udp = transports["SHM"], transports["UDPv4"]
    largest = int(shm.findtext("f:maxMessageSize", namespaces=space))
    assert largest >= 1920 * 1080 * 3 and int(shm.findtext("f:segment_size", namespaces=space)) >= 8 * largest
    assert [each.text for each in udp.iter(f"{{{space['f']}}}address")] == ["127.0.0.1"]
    used = {each.text for each in root.iter(f"{{{space['f']}}}userTransports") for each in each}
    assert used == {each.findtext("f:transport_id", namespaces=space) for each in transports.values()}


def load(path: Path):
    pytest.importorskip(
        "launch_ros",
        reason="launch and launch_ros are missing: they come with a ROS 2 installation, not from PyPI",
    )
    spec = importlib.util.spec_from_file_location(path.stem.replace(".", "_"), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The package as an installation has it, found through the ament index."""
    (tmp_path / "share" / "ament_index" / "resource_index" / "packages").mkdir(parents=True)
    (tmp_path / "share" / "ament_index" / "resource_index" / "packages" / "selcon_ros").touch()
    (tmp_path / "share" / "selcon_ros").mkdir()
    (tmp_path / "lib").mkdir()
    for folder in ("launch", "config"):
        (tmp_path / "share" / "selcon_ros" / folder).symlink_to(ROOT / folder)
    (tmp_path / "lib" / "selcon_ros").symlink_to(ROOT / "resource" / "bin")
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))


def test_grounding_launch_starts_one_node_with_the_given_arguments(installed):
    module = load(ROOT / "launch" / "grounding.launch.py")
    from launch import LaunchContext

    context = LaunchContext()
    for action in module.generate_launch_description().entities:
        if type(action).__name__ == "DeclareLaunchArgument":
            action.execute(context)
    context.launch_configurations.update(
        image="/my/image/compressed", image_transport="compressed", bundle="2024"
    )
    (node,) = module._grounding_node(context)
    node._perform_substitutions(context)
    assert node.node_name.startswith("/affordance/")
    assert ("image", "/my/image/compressed") in node.expanded_remapping_rules
    assert ("depth", "/camera/depth") in node.expanded_remapping_rules


def test_demo_launch_asks_for_one_action_after_the_other(installed):
    module = load(ROOT / "launch" / "demo.launch.py")
    from launch import LaunchContext

    context = LaunchContext()
    context.launch_configurations.update(actions="hold, pour", bundle="", seconds="2.0")
    asked = module._ask_for_actions(context)
    assert [each.period for each in asked] == [3.0, 5.0]
