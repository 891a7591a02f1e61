"""What is wrong around the node is told, with what to type."""

import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from selcon_ros.doctor import surroundings
from selcon_ros.doctor.check import Check, CheckLevel
from selcon_ros.ros import fastdds

ROOT = Path(__file__).parents[2]
OK, WARN, FAIL = CheckLevel
Space = namedtuple("Space", "total used free")


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment in which nothing of ROS is set, but a profile for large images."""
    for name in ("ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOCALHOST_ONLY", "ROS_DISTRO"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("FASTDDS_BUILTIN_TRANSPORTS", raising=False)
    monkeypatch.setenv(fastdds.profile_variable(), str(ROOT / "config" / "fastdds_images.xml"))


def found(name: str) -> Check:
    return {check.name: check for check in surroundings.check_surroundings()}[name]


def room(monkeypatch: pytest.MonkeyPatch, free: float) -> None:
    """Give /dev/shm so many free MiB."""
    space = Space(256 << 20, 0, int(free * (1 << 20)))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: space)


def test_a_clock_that_was_never_set_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found("clock").level == OK
    monkeypatch.setattr("time.time", lambda: 86_400.0)
    assert found("clock").level == FAIL
    assert "1970-01-02" in found("clock").found and "set-ntp" in found("clock").remedy


@pytest.mark.parametrize(
    ("given", "level"),
    [
        ("0", OK),
        ("101", OK),
        ("102", WARN),
        ("232", WARN),
        ("233", FAIL),
        ("-1", FAIL),
        ("lab", FAIL),
    ],
)
def test_domains(monkeypatch: pytest.MonkeyPatch, given: str, level: CheckLevel) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", given)
    assert found("ROS_DOMAIN_ID").level == level
    assert (given in found("ROS_DOMAIN_ID").found) and bool(found("ROS_DOMAIN_ID").remedy) == (level != "OK")


def test_no_discovery_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found("discovery").level == OK
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "OFF")
    assert found("discovery").level == FAIL
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    assert found("discovery").found.startswith("this machine alone")


def test_shared_memory_that_does_not_hold_the_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastdds, "dead_segments", lambda: [])
    wanted = fastdds.segment_wanted() >> 20
    room(monkeypatch, 3 * wanted + 1)
    assert found("shared memory").level == OK
    room(monkeypatch, 3 * wanted - 1)
    assert found("shared memory").level == WARN
    room(monkeypatch, wanted - 1)
    assert found("shared memory").level == FAIL
    assert "--shm-size" in found("shared memory").remedy


def test_a_profile_that_cannot_be_read_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    profile = tmp_path / "profile.xml"
    monkeypatch.setenv(fastdds.profile_variable(), str(profile))
    assert found("shared memory").level == FAIL
    profile.write_text("<profiles>")
    assert found("shared memory").level == FAIL
    assert str(profile) in found("shared memory").found
    assert "fastdds_images.xml" in found("shared memory").remedy


def test_without_a_profile_images_are_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(fastdds.profile_variable())
    room(monkeypatch, 256)
    assert found("shared memory").level == WARN
    assert "fastdds_images.xml" in found("shared memory").remedy


def test_a_profile_without_shared_memory_is_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(fastdds.profile_variable(), str(ROOT / "config" / "fastdds_udp.xml"))
    assert found("shared memory").found.startswith("not used")


def test_no_shared_memory_at_all_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fastdds, "SHARED_MEMORY", tmp_path / "shm")
    assert found("shared memory").level == FAIL
    assert "--ipc=host" in found("shared memory").remedy


def test_segments_of_dead_processes_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fastdds, "SHARED_MEMORY", tmp_path)
    monkeypatch.setattr(fastdds, "LOCK_GRACE_SECONDS", -1.0)
    (tmp_path / "fastdds_0123456789abcdef").write_bytes(bytes(1 << 20))
    (tmp_path / "fastdds_0123456789abcdef_el").touch()
    check = found("left segments")
    assert check.level == WARN and "hold 1 MiB" in check.found and check.remedy == "fastdds shm clean"


def test_a_small_receive_buffer_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(fastdds.profile_variable())
    monkeypatch.setattr(fastdds, "RECEIVE_BUFFER_FILE", tmp_path / "rmem_max")
    assert found("UDP receive buffer").level == OK  # not known
    (tmp_path / "rmem_max").write_text("212992\n")
    assert found("UDP receive buffer").level == WARN
    assert "net.core.rmem_max=4194304" in found("UDP receive buffer").remedy


def test_one_core_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0})
    assert found("cores").level == WARN


def test_a_container_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(surroundings, "CONTAINER_FILES", (str(tmp_path / "mark"),))
    assert found("container").found == "none"
    (tmp_path / "mark").touch()
    assert "--ipc=host" in found("container").found
