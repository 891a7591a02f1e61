"""Small bundles with samples, and what is needed to build engines of them without a GPU."""

from collections import defaultdict
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray

from selcon_ros.backends.tensorrt_library import LIBRARIES, LibraryErrors
from selcon_ros.core.grounding.bundle import Bundle, Manifest, load_with_samples, write_bundle
from selcon_ros.core.grounding.preprocess import COLUMNS, FRAMES, ROWS
from selcon_ros.core.outputs.heatmap_agreement import Agreement
from selcon_ros.engines.preprocess_graph import NODE_PREFIX
from selcon_ros.engines.record import Key, Record
from support.bundles import COLOURS, colour_manifest, colour_model

SIZE = (64, 96)
KEY = Key(
    "model", 1, "tensorrt_rtx", "1.4", "any", ("8.6",), precision="fp16", batch=(1, 1, 4), camera=(480, 640)
)
AGREEMENT = asdict(Agreement(2, 0.001, 0.002, 0.003, ("hold", 1), 2, 0.5, 1.0, 0.0))
RECORD = Record(KEY, "tiny", "", 0, 1.5, "2026-01-01T00:00:00+00:00", {"half": 3}, (), AGREEMENT)


def manifest(size: tuple[int, int] = SIZE) -> Manifest:
    """Return the colour model's manifest for another input size."""
    return colour_manifest(size)


def colours(batch: str | int = "n") -> onnx.ModelProto:
    """Return the colour model, for any number of images or for one."""
    known = manifest()
    normalisation = known.normalisation
    content = colour_model(SIZE, np.array(normalisation.mean), np.array(normalisation.std))
    model = onnx.load_from_string(content)
    if isinstance(batch, str):
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_param = batch
    return model


def picture(seed: int = 0, size: tuple[int, int] = (120, 160)) -> NDArray[np.uint8]:
    """Return an RGB picture of every colour's square on grey."""
    image = np.random.default_rng(seed).integers(100, 130, (*size, 3), np.uint8)
    side = min(size) // 3
    for number, colour in enumerate(COLOURS.values()):
        left = number * (size[1] // 3)
        image[seed % 20 : seed % 20 + side, left : left + side] = colour
    return image


def bundle_of(model: onnx.ModelProto | bytes, out: Path, samples: int = 2, **changes: Any) -> Bundle:
    """Write a bundle of a graph with painted samples, and read it as engines do."""
    content = model if isinstance(model, bytes) else model.SerializeToString()
    files = {"model": content}
    for number in range(1, samples + 1):
        files[f"sample.{number}"] = cv2.imencode(".png", picture(number)[:, :, ::-1])[1].tobytes()
    write_bundle(out, replace(manifest(), name=out.name, **changes), files)
    return load_with_samples(out)


def layer_types(graph: bytes, of: Manifest) -> dict[str, set[str]]:
    """Return the types in which TensorRT for RTX computes a graph's layers but preprocessing, by kind.

    The network's inputs and outputs are those that the manifest asks for, by name, shape and type.
    """
    rtx = LIBRARIES["tensorrt_rtx"]
    trt, messages = rtx.load(), LibraryErrors(rtx)
    builder = trt.Builder(messages.logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, messages.logger)
    assert parser.parse(graph)
    tensors = [network.get_input(index) for index in range(network.num_inputs)]
    tensors += [network.get_output(index) for index in range(network.num_outputs)]
    (height, width), maps = of.input_size, (-1, len(of.actions), *of.map_grid)
    assert {each.name: (each.dtype.name, tuple(each.shape)) for each in tensors} == {
        FRAMES: ("UINT8", (-1, -1, -1, 3)),
        ROWS: ("FLOAT", (height, -1)),
        COLUMNS: ("FLOAT", (width, -1)),
        **{name: ("FLOAT", maps) for name in of.outputs},
    }
    types: dict[str, set[str]] = defaultdict(set)
    for layer in map(network.get_layer, range(network.num_layers)):
        if not layer.name.startswith(NODE_PREFIX):
            types[layer.type.name].add(layer.get_output(0).dtype.name)
    return types
