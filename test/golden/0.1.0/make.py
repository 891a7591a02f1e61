"""Writes what version 0.1.0 (commit 44d5d0d) made and answered, into a folder; to be run in its checkout:

PYTHONPATH=.:training:test python make.py OUT
"""

import json
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import click
import cv2
import numpy as np

from selcon_ros.backends.base import open_backend
from selcon_ros.cli.main import main
from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.grasps.grasp import find
from selcon_ros.core.grounding.bundle import load_bundle
from selcon_ros.core.grounding.grounder import Grounder
from support.bundles import COLOURS, colour_bundle

OUT = Path(sys.argv[1])
ROS_OWN = ("use_sim_time", "start_type_description_service")


def pictures():
    image = np.full((240, 320, 3), 120, np.uint8)
    depth = np.full((240, 320), 800, np.uint16)
    for (left, top, right, bottom), colour in zip(
        [(40, 60, 150, 84), (180, 130, 205, 220), (230, 20, 300, 60)], COLOURS.values(), strict=True
    ):
        image[top:bottom, left:right] = colour
        depth[top:bottom, left:right] = 760
    cv2.imwrite(str(OUT / "image.png"), image[..., ::-1])
    cv2.imwrite(str(OUT / "depth.png"), depth)
    return image, depth


def options(command, context):
    if isinstance(command, click.Group):
        return {
            name: options(command.get_command(context, name), context)
            for name in command.list_commands(context)
        }
    return sorted(word for each in command.params for word in each.opts)


def topics():
    import rclpy
    from rclpy.parameter import Parameter

    from selcon_ros.ros.grounding_node import GroundingNode

    rclpy.init()
    node = GroundingNode(parameter_overrides=[Parameter("bundle", value=str(OUT / "bundle.zip"))])
    name = node.get_name()
    found = {
        "published": {
            topic: kinds
            for topic, kinds in node.get_publisher_names_and_types_by_node(name, "/")
            if topic not in ("/rosout", "/parameter_events")
        },
        "subscribed": dict(node.get_subscriber_names_and_types_by_node(name, "/")),
        "parameters": {key: node.get_parameter(key).value for key in node._parameters if key not in ROS_OWN},
    }
    found["parameters"]["bundle"] = ""
    node.destroy_node()
    rclpy.shutdown()
    return found


def checkpoint():
    import torch
    from selcon_training.checkpoint import save_model
    from selcon_training.model import SelconNet

    from selcon_training.encoders import load_encoders
    from support.nets import ACTIONS, register_small_clip

    torch.manual_seed(0)
    folder = Path(tempfile.mkdtemp())
    name = register_small_clip(Path(tempfile.mkdtemp()))
    clip, dino = load_encoders({"name": name}, {"name": "test_vit"}, (64, 96))
    net = SelconNet(clip, dino, ACTIONS).eval()
    clip.drop_text()
    with torch.no_grad():
        for each in [*net.parameters(), *net.buffers()]:
            if each.is_floating_point():
                each.copy_((each * 64).round() / 64)  # few digits: a small file
    save_model(folder / "checkpoint", net, {"training": {"synthetic": True}})
    shutil.make_archive(str(OUT / "checkpoint"), "zip", folder)
    images = torch.rand((1, 3, 64, 96), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        outputs = net(images)
    return {f"net_{index}": each.numpy() for index, each in enumerate(outputs)}


def run():
    OUT.mkdir(parents=True, exist_ok=True)
    image, depth = pictures()
    colour_bundle(OUT / "bundle.zip")
    bundle = load_bundle(OUT / "bundle.zip")
    grounding = Grounder(bundle, open_backend(bundle)).ground(image)
    camera = Intrinsics(300.0, 300.0, 160.0, 120.0, 320, 240)
    arrays, grasps = {}, {}
    for action in bundle.manifest.actions:
        heatmap = grounding.heatmap(action)
        arrays[action] = heatmap.values.astype(np.float16)
        points = find(heatmap, depth.astype(np.float32) / 1000, camera)
        grasps[action] = {"confidence": heatmap.confidence, "points": [asdict(each) for each in points]}
    arrays |= checkpoint()
    np.savez_compressed(OUT / "arrays.npz", **arrays)
    from selcon_training.config import load_config

    configs = {}
    for path in sorted(Path("training/configs").glob("*.yaml")):
        configs[path.stem] = load_config(path, ["data_threads=1"]).model_dump(mode="json")
        (OUT / "configs").mkdir(exist_ok=True)
        (OUT / "configs" / path.name).write_bytes(path.read_bytes())
    commands = options(main, click.Context(main))
    for name, record in (
        ("commands", commands),
        ("node", topics()),
        ("configs", configs),
        ("grasps", grasps),
    ):
        (OUT / f"{name}.json").write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


run()
