"""Messages that are hostile or merely unusual, each made from the random numbers of its case."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header, String

from fuzzing.hostile_pictures import compressed_depth, compressed_picture, raw_depth, raw_picture
from fuzzing.odd_values import TEXTS, Random, number, text, whole
from fuzzing.report import choose
from support.bundles import COLOURS
from support.messages import FRAME, camera_info

MODELS = [
    "plumb_bob",
    "rational_polynomial",
    "equidistant",
    "fisheye",
    "kannala_brandt4",
    "thin_prism",
    "division",
    "double_sphere",
    "PLUMB_BOB",
    "none",
]


@dataclass
class Case:
    """What is sent at once: an image with depth and calibration, perhaps an action, perhaps parameters."""

    image: Image | CompressedImage | None
    depth: Image | CompressedImage | None
    info: CameraInfo | None
    action: String | None = None
    parameters: list[tuple[str, Any]] = field(default_factory=list)
    clock: Time | None = None
    size: tuple[int, int] = (0, 0)
    """Width and height of the image as it decodes at most; what is found must lie inside."""

    @property
    def messages(self) -> int:
        """How many messages this is, parameter changes among them."""
        sent = (self.image, self.depth, self.info, self.action, self.clock)
        return sum(each is not None for each in sent) + len(self.parameters)


def make(random: Random, seconds: float, compressed: bool, sim_time: bool) -> Case:
    """A case of which none, one or several members are hostile; the others fit each other."""
    width, height = _size(random)
    header = Header(stamp=Time(sec=int(seconds), nanosec=int(seconds % 1 * 1e9)), frame_id=FRAME)
    pixels, metres = scene(random, width, height)
    kind = choose(random, {"fitting": 2, "image": 3, "depth": 3, "info": 3, "all": 2})
    bad = {name: kind in (name, "all") for name in ("image", "depth", "info")}
    image_of, depth_of = (compressed_picture, compressed_depth) if compressed else (raw_picture, raw_depth)
    case = Case(
        image_of(random, pixels, bad["image"]),
        depth_of(random, metres, bad["depth"]) if random.random() < 0.85 else None,
        _info(random, width, height, bad["info"]) if random.random() < 0.85 else None,
        size=(max(width, height),) * 2,
    )
    members = [each for each in (case.image, case.depth, case.info) if each is not None]
    for each in members:
        each.header = Header(stamp=header.stamp, frame_id=header.frame_id)
    if random.random() < 0.15:
        stamp = _stamp(random, seconds)
        for each in members if random.random() < 0.5 else [members[int(random.integers(len(members)))]]:
            each.header.stamp = stamp
    if random.random() < 0.1:
        frame = text(random)
        for each in members if random.random() < 0.5 else [members[int(random.integers(len(members)))]]:
            each.header.frame_id = frame
    if random.random() < 0.1:
        case.action = String(data=_action(random))
    if random.random() < 0.15:
        case.parameters = [parameter(random) for _ in range(int(random.integers(1, 4)))]
    if sim_time:
        case.clock = _stamp(random, seconds) if random.random() < 0.3 else header.stamp
    return case


def scene(random: Random, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """RGB uint8 with parts in the actions' colours, and depth in metres of a table with these above it."""
    pixels = np.full((height, width, 3), int(random.integers(60, 200)), np.uint8)
    metres = np.full((height, width), random.uniform(0.3, 3.0), np.float32)
    for _ in range(int(random.integers(0, 4))):
        left, right = np.sort(random.integers(0, width + 1, 2))
        top, bottom = np.sort(random.integers(0, height + 1, 2))
        pixels[top:bottom, left:right] = list(COLOURS.values())[int(random.integers(3))]
        metres[top:bottom, left:right] -= np.float32(random.uniform(0.0, 0.06))
    return pixels, metres


def _size(random: Random) -> tuple[int, int]:
    kind = choose(random, {"small": 70, "even": 20, "thin": 8, "large": 1})
    if kind == "thin":
        short, long = int(random.integers(1, 4)), int(random.integers(1, 500))
        return (short, long) if int(random.choice([1, -1])) == 1 else (long, short)
    if kind == "large":
        return int(random.integers(600, 1600)), int(random.integers(400, 1200))
    width, height = (int(each) for each in random.integers(8, 128, 2))
    return (width & ~1, height & ~1) if kind == "even" else (width, height)


def _info(random: Random, width: int, height: int, bad: bool) -> CameraInfo:
    info = camera_info(width, height, float(random.uniform(50, 800)))
    if random.random() < 0.5:
        info.distortion_model = str(random.choice(MODELS[:3]))
        count = {"plumb_bob": 5, "rational_polynomial": 8, "equidistant": 4}[info.distortion_model]
        info.d = [float(each) for each in random.normal(0, 0.1, count)]
    if not bad:
        return info
    for _ in range(1 + (random.random() < 0.3)):
        match choose(random, dict.fromkeys(("model", "d", "k", "p", "r", "size", "roi", "binning"), 1.0)):
            case "model":
                info.distortion_model = str(random.choice([*MODELS, *TEXTS]))
            case "d":
                count = int(random.integers(0, 16))
                scale = random.choice([1e-9, 0.1, 1.0, 10.0, 1e6, 1e200])
                info.d = [number(random, float(each)) for each in random.normal(0, scale, count)]
            case "k":
                info.k = [number(random, each) for each in info.k]
            case "p":
                info.p = [number(random, each) for each in info.p]
            case "r":
                info.r = [number(random, each) for each in info.r]
            case "size":
                info.width, info.height = whole(random, width), whole(random, height)
            case "roi":
                offsets = [whole(random, 4) for _ in range(4)]
                info.roi = RegionOfInterest(
                    x_offset=offsets[0],
                    y_offset=offsets[1],
                    width=offsets[2],
                    height=offsets[3],
                    do_rectify=bool(random.random() < 0.5),
                )
            case "binning":
                info.binning_x, info.binning_y = whole(random, 2), whole(random, 2)
    return info


def _stamp(random: Random, seconds: float) -> Time:
    sec = int(random.choice([0, -1, 2**31 - 1, -(2**31), int(seconds), int(seconds) - 50, int(seconds) + 50]))
    return Time(sec=sec, nanosec=int(random.choice([0, 1, 999_999_999, 10**9, 2**32 - 1])))


def _action(random: Random) -> str:
    known = [*COLOURS, "Cut With", "  HOLD ", "cut-with", "hol", "pour_", "hold\n"]
    return str(random.choice(known)) if random.random() < 0.6 else text(random) * int(random.integers(1, 40))


def parameter(random: Random) -> tuple[str, Any]:
    """A parameter's name and a value in or out of its range, of its type or of another."""
    from dataclasses import fields

    from selcon_ros.ros.parameters import Settings

    known = {each.name: each for each in fields(Settings)}
    if random.random() < 0.05:
        return text(random), 1.0
    each = known[str(random.choice(list(known)))]
    low, high = each.metadata["low"], each.metadata["high"]
    if random.random() < 0.2:
        return each.name, [True, 7, 0.5, "text", [1, 2], [0.5], ["a"], b"x"][int(random.integers(8))]
    if isinstance(each.default, bool):
        return each.name, bool(random.random() < 0.5)
    if isinstance(each.default, str):
        return each.name, str(random.choice([*TEXTS, *each.metadata["choices"]]))
    if isinstance(each.default, int):
        return each.name, int(random.choice([low, high, low - 1, high + 1, each.default, -(2**62), 2**62]))
    # What waits waits briefly here: a run has thousands of cases.
    high = min(high, 0.1) if each.name == "sync_wait" else high
    inside = low + (high - low) * random.random() ** 4
    options = [low, inside, inside, each.default, low - 1.0, high + 1e7, np.nan, np.inf, -np.inf]
    return each.name, float(random.choice(options))
