"""Fast DDS, ROS 2's default middleware: the profile in force, and its shared memory in /dev/shm."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

PARTICIPANT_NAME = "selcon_ros"
SHARED_MEMORY = Path("/dev/shm")
DEFAULT_SEGMENT_BYTES = 512 * 1024
"""Bytes of the segment that a process has without a profile."""
MEGABYTE = 1024 * 1024
SEGMENT_NAME = re.compile(r"(fastdds|fastrtps)_[0-9a-f]+")
"""Files of segments; those of ports have `_port` in their names."""
RECEIVE_BUFFER_FILE = Path("/proc/sys/net/core/rmem_max")
MIN_RECEIVE_BUFFER_BYTES = 4 * MEGABYTE
"""Bytes of a UDP receive buffer that holds a few images; as the profiles ask for."""
PROFILE_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
"""The present name, and that of distributions up to Jazzy."""
LOCK_GRACE_SECONDS = 5.0
"""Seconds in which a file in /dev/shm may not be locked yet by the process that makes it."""


def profile_variable() -> str:
    """The environment variable that names a profile, in this ROS distribution.

    Fast DDS was renamed: distributions up to Jazzy read the old name, later ones complain about it.
    """
    return PROFILE_VARIABLES[os.environ.get("ROS_DISTRO") in ("humble", "iron", "jazzy")]


def share_folder() -> Path:
    """The package's share/ folder: of the installation that runs, or the source tree."""
    installed = Path(sys.prefix) / "share" / PARTICIPANT_NAME
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        if prefix and (Path(prefix) / "share" / PARTICIPANT_NAME / "config").is_dir():
            installed = Path(prefix) / "share" / PARTICIPANT_NAME
            break
    sources = Path(__file__).parents[2]
    return installed if (installed / "config").is_dir() else sources


def packaged_profile(name: str = "images") -> Path:
    """A profile of this package: `images` (shared memory for large images) or `udp` (no shared memory)."""
    return share_folder() / "config" / f"fastdds_{name}.xml"


def segment_wanted() -> int:
    """Bytes of the segment that this process should have; 0 where it shall do without shared memory.

    Raises ElementTree.ParseError for a profile that is no XML, OSError for one that cannot be read.
    """
    builtin = "UDP" not in os.environ.get("FASTDDS_BUILTIN_TRANSPORTS", "")
    # The middleware adds a shared memory of its own to whatever a profile says.
    localhost = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE") == "LOCALHOST"
    profile = os.environ.get(profile_variable())
    if not profile:
        return DEFAULT_SEGMENT_BYTES if builtin or localhost else 0
    root = ElementTree.parse(profile).getroot()
    texts = {_bare(each.tag): (each.text or "").strip() for each in root.iter()}
    sizes = [
        next(
            (int(each.text or DEFAULT_SEGMENT_BYTES) for each in one if _bare(each.tag) == "segment_size"),
            DEFAULT_SEGMENT_BYTES,
        )
        for one in root.iter()
        if _bare(one.tag) == "transport_descriptor"
        and any(_bare(each.tag) == "type" and (each.text or "").strip() == "SHM" for each in one)
    ]
    builtin = builtin and texts.get("useBuiltinTransports", "true") != "false"
    return max([*sizes, DEFAULT_SEGMENT_BYTES if builtin or localhost else 0])


def _bare(tag: str) -> str:
    return tag.rpartition("}")[2]


def own_segment() -> int:
    """Bytes of the largest segment that this process holds the lock of; 0 without one."""
    sizes = [0]
    for handle in Path("/proc/self/fd").iterdir():
        try:
            lock = handle.readlink()
            if lock.parent == SHARED_MEMORY and SEGMENT_NAME.fullmatch(lock.name.removesuffix("_el")):
                sizes.append(lock.with_name(lock.name.removesuffix("_el")).stat().st_size)
        except OSError:  # closed meanwhile
            continue
    return max(sizes)


def dead_segments(folder: Path | None = None) -> list[Path]:
    """Segments whose process is gone, for nobody holds their lock any more; a killed process leaves them."""
    found = []
    for segment in sorted((folder or SHARED_MEMORY).iterdir()):
        if not SEGMENT_NAME.fullmatch(segment.name):
            continue
        try:
            if time.time() - segment.stat().st_ctime < LOCK_GRACE_SECONDS:
                continue
            handle = os.open(segment.with_name(segment.name + "_el"), os.O_RDONLY)
        except OSError:  # another user's, or gone meanwhile
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            found.append(segment)
        except OSError:
            pass  # its process lives
        finally:
            os.close(handle)
    return found


def shared_memory_problem() -> str:
    """What is wrong with this process's shared memory, and the cure; empty if nothing is."""
    try:
        wanted = segment_wanted()
    except (OSError, ElementTree.ParseError, ValueError) as error:
        return f"the Fast DDS profile of {profile_variable()} cannot be read and has no effect: {error}"
    try:
        return _shortage(wanted) if wanted else ""
    except OSError:  # no /dev/shm, or a file in it went away while it was looked at
        return ""


def _shortage(wanted: int) -> str:
    space = shutil.disk_usage(SHARED_MEMORY)
    missing = own_segment() < wanted
    dead = dead_segments()
    if not missing and (not dead or space.free > 4 * wanted):
        return ""
    room = f"/dev/shm has {_megabytes(space.free)} of {_megabytes(space.total)} MB free"
    said = (
        f"this process did not get the {_megabytes(wanted)} MB of shared memory that Fast DDS wants for it, "
        f"so large images get lost: {room}"
        if missing
        else room
    )
    if dead:
        held = sum(each.stat().st_size for each in dead if each.exists())
        names = ", ".join(each.name for each in dead[:3]) + (", ..." if len(dead) > 3 else "")
        cure = (
            f"{len(dead)} segments of dead processes hold {_megabytes(held)} MB ({names}): "
            "'fastdds shm clean' deletes them"
        )
    else:
        cure = (
            "give the container more (docker run --shm-size=256m, or --ipc=host), "
            "or name a profile with a smaller segment"
        )
    return f"{said}; {cure}{', then start the node again' if missing else ''}"


def local_only() -> bool:
    """The profile in force sends to this machine alone, as those of this package do."""
    profile = os.environ.get(profile_variable())
    if not profile:
        return False
    try:
        root = ElementTree.parse(profile).getroot()
    except (OSError, ElementTree.ParseError):
        return False
    lists = [each for each in root.iter() if _bare(each.tag) == "interfaceWhiteList"]
    return bool(lists) and all(
        (address.text or "").strip().startswith("127.") for each in lists for address in each
    )


def cures_of_losses(remote: bool = False) -> list[str]:
    """What keeps Fast DDS from losing images between processes.

    `remote` says that the publisher is on another machine, or in a container with a network of its own.
    """
    variable = profile_variable()
    profile = os.environ.get(variable)
    if not profile:
        file = packaged_profile()
        given = f" naming a copy of {file} without its address list (docs/containers.md)"
        return [f"start both processes with {variable}{given if remote else f'={file}'}"]
    cures = [f"start the publisher's process, too, with {variable}={profile}"]
    with suppress(OSError, ElementTree.ParseError, ValueError):
        wanted = 0 if remote else segment_wanted()
        if not wanted and (buffer := int(RECEIVE_BUFFER_FILE.read_text())) < MIN_RECEIVE_BUFFER_BYTES:
            cures.append(f"raise net.core.rmem_max from {buffer} to {MIN_RECEIVE_BUFFER_BYTES} (sysctl -w)")
        elif wanted and (free := shutil.disk_usage(SHARED_MEMORY).free) < wanted:
            cures.append(f"give it room in /dev/shm, which has {_megabytes(free)} MB free")
    return cures


def same_host(one: Sequence[int], other: Sequence[int]) -> bool:
    """Two endpoints are of different processes on one machine, as Fast DDS writes it into their identifiers.

    Vendor and host take the first four bytes, the process the next four. Where the host is the same, Fast DDS
    sends through shared memory alone.
    """
    first, second = bytes(one), bytes(other)
    return first[:4] == second[:4] and first[4:8] != second[4:8]


def other_host(one: Sequence[int], other: Sequence[int]) -> bool:
    """Two endpoints are on different machines, or in containers with a network each; see `same_host`."""
    return bytes(one)[:4] != bytes(other)[:4]


def _megabytes(size: int) -> str:
    return f"{size / MEGABYTE:.0f}" if size >= 10 * MEGABYTE else f"{size / MEGABYTE:.1f}"
