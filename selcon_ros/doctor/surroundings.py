"""The machine around the node: clock, ROS domain, shared memory, buffers, containers."""

from __future__ import annotations

import os
import shutil
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from selcon_ros.core.machine.processor import usable_cores
from selcon_ros.core.text import quoted
from selcon_ros.doctor.check import Check, fail, ok, warn
from selcon_ros.ros import fastdds

CONTAINER_FILES = ("/.dockerenv", "/run/.containerenv")
"""Docker and Podman make one of them."""
EARLIEST_TIME = datetime(2025, 1, 1, tzinfo=timezone.utc).timestamp()
"""A clock that shows an earlier time was never set."""
MAX_DOMAIN, MAX_SAFE_DOMAIN = 232, 101
"""ROS domains; on Linux the ports of those above the second one collide with other programs'."""
MEBIBYTE = 1 << 20


def check_surroundings(ros: bool = True) -> Iterator[Check]:
    """Look at what the node finds around it. With `ros` it looks also at what only ROS uses."""
    yield _clock(time.time())
    yield _cores()
    if not ros:
        return
    yield _domain(os.environ.get("ROS_DOMAIN_ID", ""))
    yield _discovery()
    yield _container()
    yield from _shared_memory()
    yield _receive_buffer()


def _clock(now: float) -> Check:
    shown = datetime.fromtimestamp(now, timezone.utc).isoformat(" ", "seconds")
    if now < EARLIEST_TIME:
        return fail(
            "clock",
            f"it shows {shown}: it was never set",
            "sudo timedatectl set-ntp true (or install chrony)",
        )
    return ok("clock", shown)


def _cores() -> Check:
    usable = usable_cores()
    said = f"{usable} of {os.cpu_count()}"
    if usable == 1:
        return warn(
            "cores", f"{said}: camera, node and viewer share one", "give the node two: taskset -c 0,1"
        )
    return ok("cores", said)


def _domain(given: str) -> Check:
    name, remedy = "ROS_DOMAIN_ID", f"export ROS_DOMAIN_ID=0 (0 to {MAX_SAFE_DOMAIN}), the same everywhere"
    if not given:
        return ok(name, "0, as it is not set")
    if not given.isascii() or not given.isdigit() or int(given) > MAX_DOMAIN:
        return fail(name, f"{quoted(given)} is no domain from 0 to {MAX_DOMAIN}", remedy)
    if int(given) > MAX_SAFE_DOMAIN:
        said = (
            f"{given} is above {MAX_SAFE_DOMAIN}: its ports collide with those that Linux gives to programs"
        )
        return warn(name, said, remedy)
    return ok(name, given)


def _discovery() -> Check:
    name = "discovery"
    scope = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "")
    if scope == "OFF":
        return fail(
            name,
            "ROS_AUTOMATIC_DISCOVERY_RANGE is OFF: no other node is found",
            "export ROS_AUTOMATIC_DISCOVERY_RANGE=SUBNET (or LOCALHOST)",
        )
    if scope == "LOCALHOST" or os.environ.get("ROS_LOCALHOST_ONLY") == "1":
        return ok(name, "this machine alone, as the environment says")
    if fastdds.local_only():
        return ok(name, f"this machine alone, as the profile of {fastdds.profile_variable()} says")
    return ok(name, "the whole network")


def _container() -> Check:
    found = next((name for name in CONTAINER_FILES if Path(name).exists()), None)
    if found is None:
        return ok("container", "none")
    return ok("container", f"yes ({found}); others share images with it only with --ipc=host and --net=host")


def _shared_memory() -> Iterator[Check]:
    name = "shared memory"
    try:
        wanted = fastdds.segment_wanted()
    except (OSError, ElementTree.ParseError, ValueError) as error:
        variable = fastdds.profile_variable()
        said = f"the Fast DDS profile of {variable}, {os.environ.get(variable)}, cannot be read: {error}"
        yield fail(name, said, f"export {variable}={fastdds.packaged_profile()}")
        return
    if not wanted:
        yield ok(name, "not used, as the Fast DDS profile says")
        return
    try:
        space = shutil.disk_usage(fastdds.SHARED_MEMORY)
        dead = fastdds.dead_segments()
    except OSError as error:
        yield fail(name, f"{fastdds.SHARED_MEMORY}: {error.strerror}", "start the container with --ipc=host")
        return
    said = (
        f"{space.free // MEBIBYTE} of {space.total // MEBIBYTE} MiB are free in {fastdds.SHARED_MEMORY}, a "
        f"process takes {wanted / MEBIBYTE:.1f}"
    )
    if dead:
        held = sum(each.stat().st_size for each in dead if each.exists()) / MEBIBYTE
        lost = f"{said}; {len(dead)} segments of dead processes hold {held:.0f} MiB"
        yield warn("left segments", lost, "fastdds shm clean")
    # Camera, node and viewer each take one.
    if space.free < 3 * wanted:
        remedy = "docker run --shm-size=256m (or --ipc=host); without a container: mount -o remount,size=256m"
        yield (fail if space.free < wanted else warn)(name, said, f"{remedy} {fastdds.SHARED_MEMORY}")
    elif wanted <= fastdds.DEFAULT_SEGMENT_BYTES:
        said += ": an image of 640 x 480 is larger than that, and best-effort ones get lost"
        yield warn(name, said, f"export {fastdds.profile_variable()}={fastdds.packaged_profile()}")
    else:
        yield ok(name, said)


def _receive_buffer() -> Check:
    name = "UDP receive buffer"
    try:
        size = int(fastdds.RECEIVE_BUFFER_FILE.read_text())
    except (OSError, ValueError):
        return ok(name, f"not known: {fastdds.RECEIVE_BUFFER_FILE} cannot be read")
    said = f"{size / MEBIBYTE:.1f} MiB at most"
    if size < fastdds.MIN_RECEIVE_BUFFER_BYTES and not fastdds.local_only():
        return warn(
            name,
            f"{said}: images from another machine get lost",
            f"sudo sysctl -w net.core.rmem_max={fastdds.MIN_RECEIVE_BUFFER_BYTES}",
        )
    return ok(name, said)
