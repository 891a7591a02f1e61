"""Camera and node with the /dev/shm and the network of containers, in Linux namespaces of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from selcon_ros.ros.fastdds import packaged_profile, profile_variable
from support import ros

ROOT = Path(__file__).resolve().parents[2]
PROFILES = ROOT / "config"
# A network of its own where ROS's multicast works, and a /dev/shm of Docker's default size.
ALONE = (
    "ip link set lo up; ip link set lo multicast on; ip route add 224.0.0.0/4 dev lo; "
    "mount -t tmpfs -o size=64m tmpfs /dev/shm; "
)
MULTICAST = "ip route replace 224.0.0.0/4 dev"
PYTHON = f"{sys.executable} -m support.trial"
MOUNT = "mount -t tmpfs -o size=64m tmpfs /dev/shm"
# Where the camera runs: what its command begins with, and what joins its network with the node's.
TOGETHER = ("", "")
OTHER_MEMORY = (f"unshare -m bash -c '{MOUNT}; exec \"$@\"' other", "")
OTHER_MACHINE = (
    f"unshare -n -m bash -c '{MOUNT}; ip link set lo up; "
    "until ip link set there up 2>/dev/null; do sleep 0.05; done; "
    f'ip addr add 10.9.0.2/24 dev there; {MULTICAST} there; exec "$@"\' other',
    "until [ $(readlink /proc/$camera/ns/net) != $(readlink /proc/self/ns/net) ]; do sleep 0.05; done; "
    "ip link add here type veth peer name there netns $camera; ip link set here up; "
    f"ip addr add 10.9.0.1/24 dev here; {MULTICAST} here;",
)


def namespaces_work() -> bool:
    try:
        done = subprocess.run(["unshare", "-n", "-m", "bash", "-c", f"set -e; {ALONE}"], capture_output=True)
    except FileNotFoundError:
        return False
    return done.returncode == 0


pytestmark = pytest.mark.skipif(
    not namespaces_work(), reason="namespaces cannot be made: needs root, and the commands unshare and ip"
)


def trial(
    bundle: Path, profile: Path | None, camera: tuple[str, str] = TOGETHER, seconds: float = 2.0
) -> dict[str, Any]:
    """What the node received, lost and said beside a camera, which runs in one of the ways above."""
    begin, join = camera
    script = (
        f"{ALONE} {begin} {PYTHON} camera & camera=$!; {join} {PYTHON} node {bundle} {seconds}; "
        "kill -9 $camera; wait $camera 2>/dev/null"
    )
    other_settings = {*ros.ENVIRONMENT, profile_variable()}
    environment = {name: value for name, value in os.environ.items() if name not in other_settings}
    environment |= {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "test")]),
        "ROS_DOMAIN_ID": "0",
        "RMW_IMPLEMENTATION": "rmw_fastrtps_cpp",
    }
    if profile is not None:
        environment[profile_variable()] = str(profile)
    done = subprocess.run(
        ["unshare", "-n", "-m", "--kill-child", "bash", "-c", script],
        env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    results = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert results, done.stdout + done.stderr
    return json.loads(results[0].removeprefix("RESULT "))


def losses(told: dict[str, Any]) -> str:
    return told["problems"].get("losses on /affordance/image", "")


def test_images_are_lost_without_a_profile_and_the_node_says_how_many_and_what_helps(bundle):
    told = trial(bundle, None)
    assert told["lost"] > 2
    said = losses(told)
    assert "messages on /affordance/image were lost on the way from /affordance/camera: " in said
    assert f"start both processes with {profile_variable()}={packaged_profile()}" in said
    assert "qos_overrides./affordance/image.subscription.reliability: reliable" in said
    assert "shared memory" not in told["problems"]


def test_the_profile_delivers_images_and_depth_in_the_shared_memory_that_docker_gives(bundle):
    told = trial(bundle, PROFILES / "fastdds_images.xml")
    assert told["received"] > 20 and told["received_depth"] > 20
    assert told["lost"] * 10 < told["received"] and not losses(told)
    assert "shared memory" not in told["problems"]


def test_a_segment_that_does_not_fit_is_told(bundle, tmp_path):
    large = tmp_path / "large.xml"
    text = (PROFILES / "fastdds_images.xml").read_text()
    large.write_text(text.replace("16777216", "67108864"))
    said = trial(bundle, large, seconds=1.0)["problems"]["shared memory"]
    assert "did not get the 64 MB of shared memory that Fast DDS wants" in said
    assert "of 64 MB free; give the container more (docker run --shm-size" in said


def test_a_publisher_behind_another_shared_memory_is_told(bundle):
    told = trial(bundle, None, OTHER_MEMORY, seconds=2.6)
    assert told["received"] == 0
    # Two processes that have just been started look the same.
    assert "/affordance/image has a publisher of which nothing has arrived yet" in told["problems"]["camera"]
    said = told["later"]["camera"]
    assert "nothing that the publisher of /affordance/image sends arrives, not even its node's name" in said
    assert "docker run --ipc=host" in said and "docs/containers.md" in said


def test_the_udp_profile_delivers_where_shared_memory_is_not_shared(bundle):
    told = trial(bundle, PROFILES / "fastdds_udp.xml", OTHER_MEMORY)
    assert told["received"] > 0 and told["received_depth"] > 0
    assert "camera" not in told["problems"]


def test_two_machines_need_the_profile_without_its_address_list(bundle, tmp_path):
    network = tmp_path / "fastdds_network.xml"
    text = (PROFILES / "fastdds_images.xml").read_text()
    start, end = text.index("<interfaceWhiteList>"), text.index("</interfaceWhiteList>")
    network.write_text(text[:start] + text[end + len("</interfaceWhiteList>") :])
    told = trial(bundle, network, OTHER_MACHINE)
    assert told["received"] > 0 and told["received_depth"] > 0
    assert "camera" not in told["problems"]
