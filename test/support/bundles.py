"""A real, tiny model bundle whose answers a test can paint: it looks for colours."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from selcon_ros.core.grounding.bundle import (
    INT8_ROLE,
    ConfidenceFit,
    Encoder,
    Manifest,
    load_bundle,
    write_bundle,
)
from selcon_ros.core.grounding.placement import Fit

# What the model knows: the action's colour in R, G, B.
COLOURS = {"cut_with": (255, 0, 0), "hold": (0, 255, 0), "pour": (0, 0, 255)}
PATCH = 16


def colour_model(input_size: tuple[int, int], mean: np.ndarray, std: np.ndarray) -> bytes:
    """Return an ONNX graph: image [1, 3, h, w] -> cam and affinity [1, 3, h/16, w/16].

    cam is how much of a patch has the action's colour, as sigmoid(12 * (own - the larger other - 0.5)):
    1 for a patch of that colour, 0 for grey, white, black and every other colour. affinity is how colourful
    the patch is, the same for all actions.
    """
    height, width = input_size
    constants = {
        "mean": mean.reshape(1, 3, 1, 1),
        "std": std.reshape(1, 3, 1, 1),
        "half": np.array(0.5),
        "slope": np.array(12.0),
    }
    pool = {"kernel_shape": [PATCH] * 2, "strides": [PATCH] * 2}
    others = [("red", (1, 2)), ("green", (0, 2)), ("blue", (0, 1))]
    nodes = [
        helper.make_node("Mul", ["image", "std"], ["scaled"]),
        helper.make_node("Add", ["scaled", "mean"], ["rgb"]),
    ]
    for name, (first, second) in others:
        own = {"red": 0, "green": 1, "blue": 2}[name]
        for label, index in (("own", own), ("first", first), ("second", second)):
            nodes.append(helper.make_node("Gather", ["rgb", f"index{index}"], [f"{name}_{label}"], axis=1))
        nodes.append(helper.make_node("Max", [f"{name}_first", f"{name}_second"], [f"{name}_others"]))
        nodes.append(helper.make_node("Sub", [f"{name}_own", f"{name}_others"], [f"{name}_purity"]))
    nodes += [
        helper.make_node("Concat", [f"{name}_purity" for name, _ in others], ["purity"], axis=1),
        helper.make_node("AveragePool", ["purity"], ["pooled"], **pool),
        helper.make_node("Sub", ["pooled", "half"], ["centred"]),
        helper.make_node("Mul", ["centred", "slope"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["cam"]),
        helper.make_node("ReduceMax", ["rgb", "channel_axis"], ["brightest"], keepdims=1),
        helper.make_node("ReduceMin", ["rgb", "channel_axis"], ["darkest"], keepdims=1),
        helper.make_node("Sub", ["brightest", "darkest"], ["colourful"]),
        helper.make_node("Concat", ["colourful"] * 3, ["colourful3"], axis=1),
        helper.make_node("AveragePool", ["colourful3"], ["affinity"], **pool),
    ]
    initializers = [
        numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()
    ]
    initializers += [numpy_helper.from_array(np.array([i], np.int64), f"index{i}") for i in range(3)]
    initializers.append(numpy_helper.from_array(np.array([1], np.int64), "channel_axis"))
    maps = [1, 3, height // PATCH, width // PATCH]
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, height, width])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, maps) for name in ("cam", "affinity")],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def colour_manifest(input_size: tuple[int, int] = (288, 384)) -> Manifest:
    """Return the colour model's manifest: a patch of pure colour gives a confidence of 0.98, none 0.02."""
    count = len(COLOURS)
    return Manifest(
        name="colours",
        description="Test model: finds red, green and blue. It knows nothing about objects.",
        licence="Apache-2.0",
        actions=tuple(COLOURS),
        input_size=input_size,
        map_grid=(input_size[0] // PATCH, input_size[1] // PATCH),
        confidence=ConfidenceFit(scale=(8.0,) * count, offset=(-4.0,) * count),
        encoders={"clip": Encoder("none"), "dino": Encoder("none")},
        training={"data": "none"},
    )


def colour_bundle(
    out: Path,
    input_size: tuple[int, int] = (288, 384),
    training: dict[str, Any] | None = None,
    fit: Fit = "stretch",
) -> Path:
    """Write the colour bundle to `out` (a folder, or a file ending in .zip) and return `out`.

    Paint the part that shall afford cut_with red, hold green, pour blue (COLOURS) on anything grey.
    `training` is the manifest's record of its training.
    """
    manifest = replace(colour_manifest(input_size), fit=fit)
    if training is not None:
        manifest = replace(manifest, training=training)
    normalisation = manifest.normalisation
    write_bundle(
        out,
        manifest,
        {
            "model": colour_model(input_size, np.array(normalisation.mean), np.array(normalisation.std)),
        },
    )
    return out


def other_outputs(folder: Path) -> Path:
    """Write a bundle whose graph is sound, and not what its manifest says."""
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 288, 384]) for name in ("image", "mask")
    ]
    graph = helper.make_graph([helper.make_node("Relu", ["image"], ["mask"])], "g", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    write_bundle(folder, colour_manifest(), {"model": model.SerializeToString()})
    return folder


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the values of a bundle's manifest file."""
    file = folder / "manifest.json"
    record = json.loads(file.read_text())
    change(record)
    file.write_text(json.dumps(record))


def with_int8(bundle: Path, kld: float = 0.001) -> Path:
    """Add to a bundle an int8 graph, which is its fp32 one: that it is chosen is what counts."""
    loaded = load_bundle(bundle)
    manifest = replace(loaded.manifest, metrics={"int8": {"kld_mean": kld, "tolerance": 0.01}})
    write_bundle(bundle, manifest, loaded.files | {INT8_ROLE: loaded.model})
    return bundle


def with_samples(bundle: Path) -> Path:
    """Add to a colour bundle a sample picture of its three colours."""
    picture = np.full((120, 160, 3), 128, np.uint8)
    for index, colour in enumerate(COLOURS.values()):
        picture[30:90, 10 + 50 * index : 50 + 50 * index] = colour
    sample = cv2.imencode(".png", picture[:, :, ::-1])[1].tobytes()
    loaded = load_bundle(bundle)
    write_bundle(bundle, loaded.manifest, loaded.files | {"sample.1": sample})
    return bundle
