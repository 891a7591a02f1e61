"""The files that a robot reads: pictures, depth, cameras, bundles, recordings, records of engines."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np

from fuzzing.subject import HEIGHT, WIDTH, Subject, command


def robot_files(shared: Path) -> list[Subject]:
    """Kinds of files, with a bundle and pictures in the folder `shared`."""
    from selcon_ros.backends.base import Setup
    from selcon_ros.backends.choose import open_model
    from selcon_ros.core.bundle import load_bundle
    from selcon_ros.core.files import read_image
    from selcon_ros.engines.cache import Cache
    from selcon_ros.recording import read_recording
    from support.bundles import colour_bundle

    bundle = colour_bundle(shared / "bundle", (HEIGHT, WIDTH))
    _pictures(shared / "pictures")

    def ground(folder: Path) -> None:
        given = ["--action", "hold", "--bundle", bundle, "--backend", "onnxruntime", "--threads", 1]
        depth = ["--depth", folder / "depth.png", "--camera", folder / "camera.json"]
        command("ground", folder / "a.png", *given, *depth)

    def picture(folder: Path) -> None:
        for path in folder.iterdir():
            read_image(path)
            read_image(path, at_least=(8, 8))

    def open_bundle(path: Path) -> None:
        load_bundle(path)
        open_model(path, "onnxruntime", "auto", Setup(1)).backend.close()

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
            lambda to, kind=kind: shutil.copy(shared / "pictures" / f"a{kind}", to),
            ["*"],
            picture,
            0.7,
        )
        for kind in kinds
    ]
    return [
        *pictures,
        Subject("picture of the command", _scene, ["a.png"], ground, 0.5),
        Subject("depth image", _scene, ["depth.png"], ground),
        Subject("camera file", _scene, ["camera.json"], ground),
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
    ]


def _pictures(folder: Path) -> None:
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    pixels = cv2.GaussianBlur(pixels, (0, 0), 3)
    for ending in (".png", ".jpg", ".webp", ".bmp", ".tiff", ".ppm", ".gif"):
        if cv2.haveImageWriter(f"a{ending}"):
            cv2.imwrite(str(folder / f"a{ending}"), pixels)


def _scene(to: Path) -> None:
    pixels = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    pixels[8:40, 20:32] = (0, 255, 0)
    depth = np.full((HEIGHT, WIDTH), 800, np.uint16)
    depth[8:40, 20:32] = 760
    cv2.imwrite(str(to / "a.png"), pixels)
    cv2.imwrite(str(to / "depth.png"), depth)
    camera = {
        "width": WIDTH,
        "height": HEIGHT,
        "fx": 80.0,
        "fy": 80.0,
        "cx": 31.5,
        "cy": 23.5,
        "depth_scale": 0.001,
    }
    (to / "camera.json").write_text(json.dumps(camera))


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
    from selcon_ros.core.camera import Intrinsics
    from selcon_ros.recording import PartLabel, RecordedFrame, write_recording

    image, labels = np.full((HEIGHT, WIDTH, 3), 90, np.uint8), np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[10:20, 10:20] = 1
    camera = Intrinsics(80.0, 80.0, 31.5, 23.5, WIDTH, HEIGHT)
    depth = np.full((HEIGHT, WIDTH), 700, np.uint16)
    frames = [RecordedFrame(10**9 * number, image, depth, camera, labels) for number in (1, 2)]
    write_recording(to, frames, {1: PartLabel("mug", "handle", "hold")})


def _engine(to: Path) -> None:
    from selcon_ros.engines.cache import Cache, Key, Record

    key = Key("0" * 64, 1, "tensorrt", "10.0", "any", ("8.6",), "fp16", (1, 1, 4), (1080, 1920))
    record = Record(
        key, "colours", "", 0, 12.5, "2026-01-01T00:00:00", {"fp16": 40, "fp32": 2}, ("Softmax",), {}
    )
    Cache(to).add(record, b"an engine")
