"""The Fast DDS profile in force, and what is left in /dev/shm."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from selcon_ros.ros import fastdds

ROOT = Path(__file__).resolve().parents[2]
PROFILES = ROOT / "config"


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    for name in (
        "FASTDDS_DEFAULT_PROFILES_FILE",
        "FASTRTPS_DEFAULT_PROFILES_FILE",
        "FASTDDS_BUILTIN_TRANSPORTS",
        "ROS_AUTOMATIC_DISCOVERY_RANGE",
        "ROS_DISTRO",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("distro", "name"),
    [("humble", "FASTRTPS"), ("jazzy", "FASTRTPS"), ("kilted", "FASTDDS"), (None, "FASTDDS")],
)
def test_the_variable_is_that_of_the_distribution(monkeypatch, distro, name):
    if distro:
        monkeypatch.setenv("ROS_DISTRO", distro)
    assert fastdds.profile_variable() == f"{name}_DEFAULT_PROFILES_FILE"


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, 512 * 1024),
        ({"FASTDDS_DEFAULT_PROFILES_FILE": str(PROFILES / "fastdds_images.xml")}, 16 * 1024 * 1024),
        ({"FASTDDS_DEFAULT_PROFILES_FILE": str(PROFILES / "fastdds_udp.xml")}, 0),
        ({"FASTDDS_BUILTIN_TRANSPORTS": "UDPv4"}, 0),
        # Then the middleware adds shared memory of its own.
        (
            {
                "FASTDDS_DEFAULT_PROFILES_FILE": str(PROFILES / "fastdds_udp.xml"),
                "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            },
            512 * 1024,
        ),
    ],
)
def test_the_segment_that_a_process_should_have(monkeypatch, environment, wanted):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert fastdds.segment_wanted() == wanted


def test_a_profile_without_transports_leaves_the_usual_segment(monkeypatch, tmp_path):
    profile = tmp_path / "profile.xml"
    profile.write_text("<profiles><participant is_default_profile='true'/></profiles>")
    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", str(profile))
    assert fastdds.segment_wanted() == 512 * 1024


@pytest.mark.parametrize("text", [None, "<profiles>"])
def test_a_profile_that_cannot_be_read_is_told(monkeypatch, tmp_path, text):
    profile = tmp_path / "profile.xml"
    if text:
        profile.write_text(text)
    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", str(profile))
    assert (
        "of FASTDDS_DEFAULT_PROFILES_FILE cannot be read and has no effect" in fastdds.shared_memory_problem()
    )


def segment(folder: Path, name: str) -> Path:
    """A segment with its lock file, as old as a process's that has started."""
    (folder / f"{name}_el").touch()
    (folder / name).write_bytes(bytes(1024))
    return folder / name


def test_segments_of_dead_processes_are_told_from_living_ones_and_from_other_files(tmp_path, monkeypatch):
    dead = segment(tmp_path, "fastdds_0582680553c547c7")
    old = segment(tmp_path, "fastrtps_2c642e74977826f8")
    living = segment(tmp_path, "fastdds_a3b3287aa053210e")
    for name in ("fastdds_port7000", "sem.fastdds_port7000_mutex", "lttng-ust-wait-6", "fastdds_ffff"):
        (tmp_path / name).touch()
    with living.with_name(f"{living.name}_el").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert fastdds.dead_segments(tmp_path) == []  # so young that a process may be about to lock them
        monkeypatch.setattr(fastdds, "LOCK_GRACE_SECONDS", -1.0)
        assert fastdds.dead_segments(tmp_path) == [dead, old]


def test_segments_of_dead_processes_are_told_where_memory_is_short(tmp_path, monkeypatch):
    monkeypatch.setattr(fastdds, "LOCK_GRACE_SECONDS", -1.0)
    monkeypatch.setattr(fastdds, "SHARED_MEMORY", tmp_path)
    monkeypatch.setattr(fastdds, "own_segment", lambda: fastdds.DEFAULT_SEGMENT_BYTES)
    for number in range(5):
        segment(tmp_path, f"fastdds_{number:016x}")
    usage = type(shutil.disk_usage("/"))
    free = [10**9]
    monkeypatch.setattr(fastdds.shutil, "disk_usage", lambda _: usage(64 << 20, 0, free[0]))
    assert fastdds.shared_memory_problem() == ""
    free[0] = 1 << 20
    said = fastdds.shared_memory_problem()
    assert said.startswith(
        "/dev/shm has 1.0 of 64 MB free; 5 segments of dead processes hold 0.0 MB (fastdds_0"
    )
    assert "..." in said and said.endswith("'fastdds shm clean' deletes them")


KILLED = (
    "import os, rclpy, rclpy.node; rclpy.init(); n = rclpy.node.Node('n'); print('up', flush=True); input()"
)


@pytest.mark.skipif(not fastdds.SHARED_MEMORY.is_dir(), reason="/dev/shm is missing")
def test_a_killed_process_leaves_a_dead_segment_and_a_living_one_does_not(monkeypatch):
    monkeypatch.setattr(fastdds, "LOCK_GRACE_SECONDS", -1.0)
    before = {each.name for each in fastdds.SHARED_MEMORY.iterdir()}
    dead_before = set(fastdds.dead_segments())
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ)
    )
    assert process.stdout.readline() == b"up\n"
    mine = {
        each
        for each in fastdds.SHARED_MEMORY.iterdir()
        if each.name not in before and fastdds.SEGMENT_NAME.fullmatch(each.name)
    }
    assert mine and not mine & set(fastdds.dead_segments())
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()
    found = set(fastdds.dead_segments()) - dead_before
    assert found & mine
    for each in found & mine:
        each.unlink()
        each.with_name(f"{each.name}_el").unlink()


def test_hosts_are_told_by_the_identifiers_of_endpoints():
    camera = bytes.fromhex("010f7f01812bfd710000000000001303")
    node = bytes.fromhex("010f7f01802be8d40000000000001304")
    elsewhere = bytes.fromhex("010f55b52a2223a70000000000001303")
    assert fastdds.same_host(camera, node) and not fastdds.same_host(elsewhere, node)
    assert not fastdds.same_host(node, node)  # one process
    assert fastdds.other_host(elsewhere, node) and not fastdds.other_host(camera, node)


def test_a_publisher_on_another_machine_is_not_told_to_keep_its_traffic_there(monkeypatch):
    assert fastdds.cures_of_losses(remote=True) == [
        "start both processes with FASTDDS_DEFAULT_PROFILES_FILE naming a copy of "
        f"{fastdds.packaged_profile()} without its address list (docs/containers.md)"
    ]


@pytest.mark.parametrize("name", ["images", "udp"])
def test_a_profile_that_keeps_traffic_on_the_machine_is_known(monkeypatch, tmp_path, name):
    assert not fastdds.local_only()
    text = (PROFILES / f"fastdds_{name}.xml").read_text()
    start, end = text.index("<interfaceWhiteList>"), text.index("</interfaceWhiteList>")
    for number, (content, known) in enumerate({
        text: True,
        text.replace("127.0.0.1", "192.168.1.5"): False,
        text[:start] + text[end + len("</interfaceWhiteList>") :]: False,
        "no XML": False,
    }.items()):  # fmt: skip
        (tmp_path / f"{number}.xml").write_text(content)
        monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", str(tmp_path / f"{number}.xml"))
        assert fastdds.local_only() is known


def test_cures_of_losses_are_those_of_the_profile_in_force(monkeypatch, tmp_path):
    assert fastdds.cures_of_losses() == [
        f"start both processes with FASTDDS_DEFAULT_PROFILES_FILE={fastdds.packaged_profile()}"
    ]
    usage = type(shutil.disk_usage("/"))
    monkeypatch.setattr(fastdds.shutil, "disk_usage", lambda _: usage(64 << 20, 0, 5 << 20))
    monkeypatch.setattr(fastdds, "RECEIVE_BUFFER_FILE", tmp_path / "rmem_max")
    (tmp_path / "rmem_max").write_text("212992\n")
    for name, cure in {
        "images": "give it room in /dev/shm, which has 5.0 MB free",
        "udp": "raise net.core.rmem_max from 212992 to 4194304 (sysctl -w)",
    }.items():
        profile = PROFILES / f"fastdds_{name}.xml"
        monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", str(profile))
        assert fastdds.cures_of_losses() == [
            f"start the publisher's process, too, with FASTDDS_DEFAULT_PROFILES_FILE={profile}",
            cure,
        ]
