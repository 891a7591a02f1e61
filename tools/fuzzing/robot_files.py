"""The files that a robot reads: pictures, depth, cameras, bundles, recordings, records of engines."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import yaml

from fuzzing.subject import HEIGHT, WIDTH, Read, Subject, command

if TYPE_CHECKING:
    from selcon_ros.engines.choice_record import ChoiceKey

DEPTHS = ("depth.png", "depth.tiff", "depth.npy")
CAMERAS = ("camera.json", "ros.yaml", "opencv.yml", "open3d.json", "realsense.json")


def robot_files(shared: Path) -> list[Subject]:
    """Kinds of files, with a bundle and pictures in the folder `shared`."""
    from selcon_ros.backends.options import CpuOptions
    from selcon_ros.core.grounding.bundle import load_bundle
    from selcon_ros.core.pictures.picture_files import read_image
    from selcon_ros.engines.cache import Cache
    from selcon_ros.model import load
    from selcon_ros.recording import read_recording
    from support.bundles import colour_bundle

    bundle = colour_bundle(shared / "bundle", (HEIGHT, WIDTH))
    _pictures(shared / "pictures")

    def ground(depth: str = "depth.png", camera: str = "camera.json") -> Read:
        given = ["--action", "hold", "--bundle", bundle, "--backend", "onnxruntime", "--threads", 1]
        return lambda folder: command(
            "ground", folder / "a.png", *given, "--depth", folder / depth, "--camera", folder / camera
        )

    def picture(folder: Path) -> None:
        for path in folder.iterdir():
            read_image(path)
            read_image(path, at_least=(8, 8))

    def open_bundle(path: Path) -> None:
        load_bundle(path)
        load(path, "onnxruntime", "auto", CpuOptions(1)).close()

    def engines(folder: Path) -> None:
        cache = Cache(folder)
        cache.entries()
        cache.damaged()
        command("engine", "list", "--cache", folder)
        command("engine", "clean", "--all", "--yes", "--cache", folder)

    kinds = sorted(path.suffix for path in (shared / "pictures").iterdir())
    pictures = [
        Subject(
            f"picture {kind}",
            partial(shutil.copy, shared / "pictures" / f"a{kind}"),
            ["*"],
            picture,
            0.7,
        )
        for kind in kinds
    ]
    return [
        *pictures,
        Subject("picture of the command", _scene, ["a.png"], ground(), 0.5),
        *(Subject(f"depth image {name}", _scene, [name], ground(name), 0.6) for name in DEPTHS),
        *(Subject(f"camera file {name}", _scene, [name], ground(camera=name), 0.6) for name in CAMERAS),
        Subject(
            "bundle folder",
            lambda to: shutil.copytree(bundle, to / "bundle"),
            ["bundle/*"],
            lambda folder: open_bundle(folder / "bundle"),
            1.5,
        ),
        Subject(
            "bundle zip",
            lambda to: shutil.make_archive(str(to / "bundle"), "zip", bundle),
            ["bundle.zip"],
            lambda folder: open_bundle(folder / "bundle.zip"),
            1.5,
        ),
        Subject(
            "model of a bundle, hash renewed",
            lambda to: shutil.copytree(bundle, to / "bundle"),
            ["bundle/model.onnx"],
            lambda folder: open_bundle(_rehashed(folder / "bundle")),
            1.5,
            "onnxruntime",
        ),
        Subject(
            "recording", lambda to: _recording(to), ["recording.mcap", "truth.json"], read_recording, 1.5
        ),
        Subject("engine record", _engine, ["*.json", "*.json", "*.engine"], engines),
        Subject("times on a CPU", _times, ["times.choice"], _read_times),
    ]


def _pictures(folder: Path) -> None:
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    pixels = cv2.GaussianBlur(pixels, (0, 0), 3)
    for ending in (".png", ".jpg", ".webp", ".bmp", ".tiff", ".ppm", ".gif"):
        if cv2.haveImageWriter(f"a{ending}"):
            cv2.imwrite(str(folder / f"a{ending}"), pixels)


def _scene(to: Path) -> None:
    """A picture, and depth and camera of it in several forms."""
    pixels = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    pixels[8:40, 20:32] = (0, 255, 0)
    depth = np.full((HEIGHT, WIDTH), 800, np.uint16)
    depth[8:40, 20:32] = 760
    cv2.imwrite(str(to / "a.png"), pixels)
    cv2.imwrite(str(to / "depth.png"), depth)
    cv2.imwrite(str(to / "depth.tiff"), depth.astype(np.float32) / 1000)
    np.save(to / "depth.npy", depth)
    size, focal = {"width": WIDTH, "height": HEIGHT}, {"fx": 80.0, "fy": 80.0}
    k, d = [80.0, 0.0, 31.5, 0.0, 80.0, 23.5, 0.0, 0.0, 1.0], [-0.2, 0.05, 0.001, 0.0, 0.0]
    own = {**size, **focal, "cx": 31.5, "cy": 23.5, "depth_scale": 0.001}
    realsense = {**size, **focal, "ppx": 31.5, "ppy": 23.5, "model": "brown_conrady", "coeffs": d}
    ros = {
        "image_width": WIDTH,
        "image_height": HEIGHT,
        "distortion_model": "plumb_bob",
        "camera_matrix": {"rows": 3, "cols": 3, "data": k},
        "distortion_coefficients": {"rows": 1, "cols": 5, "data": d},
    }
    (to / "camera.json").write_text(json.dumps(own))
    (to / "realsense.json").write_text(json.dumps(realsense))
    (to / "open3d.json").write_text(
        json.dumps({**size, "intrinsic_matrix": np.reshape(k, (3, 3)).T.ravel().tolist()})
    )
    (to / "ros.yaml").write_text(yaml.safe_dump(ros))
    storage = cv2.FileStorage(str(to / "opencv.yml"), cv2.FILE_STORAGE_WRITE)
    for name, value in (
        ("image_width", WIDTH),
        ("image_height", HEIGHT),
        ("camera_matrix", np.reshape(k, (3, 3))),
        ("distortion_coefficients", np.array(d)),
    ):
        storage.write(name, value)
    storage.release()


def _rehashed(bundle: Path) -> Path:
    """A bundle whose manifest gives the hash that its model now has."""
    import hashlib

    model = bundle / "model.onnx"
    manifest = json.loads((bundle / "manifest.json").read_text())
    if model.is_file() and model.stat().st_size < 1 << 24 and not model.is_symlink():
        for entry in manifest["files"].values():
            entry["sha256"] = hashlib.sha256(model.read_bytes()).hexdigest()
        (bundle / "manifest.json").write_text(json.dumps(manifest))
    return bundle


def _recording(to: Path) -> None:
    from selcon_ros.core.cameras.camera import Intrinsics
    from selcon_ros.recording import PartLabel, RecordedFrame, write_recording

    image, labels = np.full((HEIGHT, WIDTH, 3), 90, np.uint8), np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[10:20, 10:20] = 1
    camera = Intrinsics(80.0, 80.0, 31.5, 23.5, WIDTH, HEIGHT)
    depth = np.full((HEIGHT, WIDTH), 700, np.uint16)
    frames = [RecordedFrame(10**9 * number, image, depth, camera, labels) for number in (1, 2)]
    write_recording(to, frames, {1: PartLabel("mug", "handle", "hold")})


def _engine(to: Path) -> None:
    from selcon_ros.engines.cache import Cache
    from selcon_ros.engines.record import Key, Record

    key = Key("0" * 64, 1, "tensorrt", "10.0", "any", ("8.6",), "fp16", (1, 1, 4), (1080, 1920))
    record = Record(
        key, "colours", "", 0, 12.5, "2026-01-01T00:00:00", {"fp16": 40, "fp32": 2}, ("Softmax",), {}
    )
    Cache(to).add(record, b"an engine")


def _times(to: Path) -> None:
    from selcon_ros.engines.choice_record import ChoiceRecord, CpuTimes, write_choice

    times = CpuTimes({"fp32": 21.7, "int8": 17.1}, {"fp32": 1.0, "int8": 0.79}, 25)
    write_choice(to / "times.choice", ChoiceRecord.of(_times_key(), times, {}))


def _read_times(folder: Path) -> None:
    from selcon_ros.engines.choice_record import read_choice
    from selcon_ros.engines.cpu_timing import fastest

    record = read_choice(folder / "times.choice", _times_key())
    fastest(record.times, record.left_out)


def _times_key() -> ChoiceKey:
    from selcon_ros.engines.choice_record import ChoiceKey

    graphs, engines = {"fp32": "0" * 64, "int8": "1" * 64}, {"onnxruntime": "1.32.0"}
    return ChoiceKey(graphs, "a CPU", "2" * 64, 2, 0, False, engines, "0.2.0")
