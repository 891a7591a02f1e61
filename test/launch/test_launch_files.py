"""Launch files: what they name exists; and, where ROS's launch is installed, what they would start."""

import ast
import importlib.util
import os
import re
import xml.etree.ElementTree as ElementTree
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


def assigned(path: Path) -> dict[str, ast.expr]:
    return {
        target.id: node.value
        for node in tree(path).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def test_arguments_that_override_are_parameters_and_topics_are_the_nodes():
    from selcon_ros.ros.parameters import ROS_PARAMETERS, SETTINGS_FIELDS

    values = assigned(ROOT / "launch" / "grounding.launch.py")
    assert {key.value for key in values["OVERRIDES"].keys} <= {*SETTINGS_FIELDS, *ROS_PARAMETERS}
    page = (ROOT / "docs" / "topics.md").read_text()
    topics = ast.literal_eval(values["TOPICS"])
    assert all(f"| `{topic}` |" in page.split("## Out")[0] for topic in topics)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_launch_argument_is_documented(path):
    calls = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
    named = {
        call.args[0].value
        for call in calls
        if getattr(call.func, "id", "") in ("argument", "DeclareLaunchArgument")
        and isinstance(call.args[0], ast.Constant)
    }
    assert len(named) >= 4
    page = (ROOT / "docs" / "running.md").read_text()
    assert not {name for name in named if f"`{name}`" not in page}


def test_every_output_that_rviz_shows_is_remapped_to_the_namespace():
    shown = set(re.findall(r"/affordance/\w+", (ROOT / "config" / "grounding.rviz").read_text()))
    values = assigned(ROOT / "launch" / "grounding.launch.py")
    assert shown and set(ast.literal_eval(values["SHOWN_TOPICS"])) == shown


@pytest.mark.parametrize(("name", "kinds"), [("images", {"SHM", "UDPv4"}), ("udp", {"UDPv4"})])
def test_dds_profiles_hold_large_images_and_stay_on_the_machine(name, kinds):
    space = {"f": "http://www.eprosima.com"}
    root = ElementTree.parse(ROOT / "config" / f"fastdds_{name}.xml").getroot()
    transports = {
        each.findtext("f:type", namespaces=space): each
        for each in root.iter(f"{{{space['f']}}}transport_descriptor")
    }
    assert set(transports) == kinds
    if "SHM" in kinds:
        shm = transports["SHM"]
        largest = int(shm.findtext("f:maxMessageSize", namespaces=space))
        segment = int(shm.findtext("f:segment_size", namespaces=space))
        # Three processes in the 64 MB of /dev/shm that Docker gives, and two images of 1080p in a segment.
        assert 2 * 1920 * 1080 * 3 <= segment < 64e6 / 3 and 1920 * 1080 * 3 <= largest < segment
    addresses = [each.text for each in transports["UDPv4"].iter(f"{{{space['f']}}}address")]
    assert addresses == ["127.0.0.1"]
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


def context_of(module, **arguments):
    from launch import LaunchContext

    context = LaunchContext()
    for action in module.generate_launch_description().entities:
        if type(action).__name__ == "DeclareLaunchArgument":
            action.execute(context)
    context.launch_configurations.update(arguments)
    return context


def expanded(node, context):
    node._perform_substitutions(context)
    return node


def test_grounding_launch_starts_one_node_with_the_given_arguments(installed):
    module = load(ROOT / "launch" / "grounding.launch.py")
    given = {"image": "/my/image/compressed", "image_transport": "compressed", "bundle": "2024"}
    context = context_of(module, **given, min_confidence="0", name="eye", use_sim_time="True")
    (node,) = module._start(context)
    assert expanded(node, context).node_name == "/affordance/eye"
    assert ("image", "/my/image/compressed") in node.expanded_remapping_rules
    assert ("depth", "/camera/depth") in node.expanded_remapping_rules
    overrides = module._overrides(context)
    assert overrides["bundle"].evaluate(context) == "2024"
    assert overrides["min_confidence"] == 0.0 and overrides["use_sim_time"] is True


@pytest.mark.parametrize(("state", "kinds"), [
    ("", ["Node"]),
    ("inactive", ["LifecycleNode", "EmitEvent"]),
    ("active", ["RegisterEventHandler", "LifecycleNode", "EmitEvent"]),
])  # fmt: skip
def test_grounding_launch_brings_the_node_to_its_initial_state(installed, state, kinds):
    module = load(ROOT / "launch" / "grounding.launch.py")
    context = context_of(module, initial_state=state)
    assert [type(each).__name__ for each in module._start(context)] == kinds
    assert module._overrides(context) == ({"autostart": False} if state else {})


def test_qos_and_profile_of_grounding_launch(installed, monkeypatch):
    module = load(ROOT / "launch" / "grounding.launch.py")
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    context = context_of(module, image="/cam/image", image_reliability="reliable", profile="udp")
    variable, _ = module._start(context)
    variable.execute(context)
    assert os.environ["FASTRTPS_DEFAULT_PROFILES_FILE"].endswith("config/fastdds_udp.xml")
    monkeypatch.delenv("FASTRTPS_DEFAULT_PROFILES_FILE")
    assert module._qos_overrides(context) == {
        "qos_overrides./cam/image.subscription.reliability": "reliable",
        "qos_overrides./cam/image/compressed.subscription.reliability": "reliable",
        "qos_overrides./cam/image/compressedDepth.subscription.reliability": "reliable",
    }


def test_rviz_shows_the_topics_of_the_namespace(installed):
    module = load(ROOT / "launch" / "grounding.launch.py")
    for namespace, pushed, topic in (
        ("affordance", None, "/affordance/overlay"),
        ("affordance", "/left", "/left/affordance/overlay"),
        ("/eye/", "/left", "/eye/overlay"),
        ("", None, "/overlay"),
    ):
        context = context_of(module, namespace=namespace, rviz="True")
        if pushed:
            context.launch_configurations["ros_namespace"] = pushed
        rviz = expanded(module._start(context)[1], context)
        assert ("/affordance/overlay", topic) in rviz.expanded_remapping_rules


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"params_file": "/nowhere.yaml"}, "no parameter file at '/nowhere.yaml'"),
        ({"params_file": "~/my.yaml"}, "no parameter file at '/home/me/my.yaml'"),
        ({"min_confidence": "high"}, "min_confidence is 'high': give a number"),
        ({"profile": "fast"}, "profile is 'fast': give none, shm, udp, or the path of a file"),
        ({"image": "camera", "image_reliability": "reliable"}, "needs a full name with a slash"),
        ({"initial_state": "active", "autostart": "true"}, "cannot be used with autostart:=true"),
        ({"initial_state": "active", "respawn": "true"}, "cannot be used with respawn:=true"),
    ],
)
def test_a_wrong_argument_of_grounding_launch_is_named(installed, monkeypatch, arguments, says):
    monkeypatch.setenv("HOME", "/home/me")
    module = load(ROOT / "launch" / "grounding.launch.py")
    with pytest.raises(RuntimeError, match=says):
        module._start(context_of(module, **arguments))


@pytest.mark.parametrize(
    ("file", "argument", "says"),
    [
        ("grounding.launch.py", "imagee:=/camera/image", "no argument 'imagee': did you mean image?"),
        ("grounding.launch.py", "threshold:=0.4", "no argument 'threshold': it is a parameter of the node"),
        ("demo.launch.py", "action:=hold", ""),  # grounding.launch.py has it
        ("demo.launch.py", "secunds:=1", "no argument 'secunds': did you mean seconds?"),
    ],
)
def test_an_argument_that_a_launch_file_does_not_have_is_named(installed, monkeypatch, file, argument, says):
    module = load(ROOT / "launch" / file)
    monkeypatch.setattr("sys.argv", ["ros2", "launch", "selcon_ros", file, argument])
    check = module._start if file.startswith("grounding") else module._check
    if says:
        with pytest.raises(RuntimeError, match=re.escape(says)):
            check(context_of(module))
    else:
        check(context_of(module))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"bundle": "/nowhere"}, "no model bundle at /nowhere"),
        ({"actions": "hold,fly"}, "unknown action 'fly'"),
        ({"seconds": "abc"}, "seconds is 'abc'"),
        ({"seconds": "nan"}, "seconds is 'nan'"),
    ],
)
def test_demo_launch_checks_its_arguments_before_it_starts_anything(installed, arguments, says):
    module = load(ROOT / "launch" / "demo.launch.py")
    entities = module.generate_launch_description().entities
    declared = [type(each).__name__ == "DeclareLaunchArgument" for each in entities]
    check = entities[declared.index(False)]
    with pytest.raises((RuntimeError, ValueError), match=says):
        check.execute(context_of(module, **arguments))


def test_demo_launch_asks_for_one_action_after_the_other(installed):
    module = load(ROOT / "launch" / "demo.launch.py")
    asked = module._ask_for_actions(context_of(module, actions="hold, pour", seconds="2.0"))
    assert [each.period for each in asked] == [3.0, 5.0]
