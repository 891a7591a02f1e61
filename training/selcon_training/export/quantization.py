"""int8 for CPUs: a bundle's matrix products or convolutions with 8 bit weights, measured against fp32 before
they are written."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from tqdm import tqdm

from selcon_ros.backends.on_cpu import INPUT_NAME
from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.backends.onnxruntime_log import without_advice
from selcon_ros.backends.options import CpuOptions
from selcon_ros.core.errors import BackendError, SelconError, first_line
from selcon_ros.core.grounding.bundle import (
    INT8_ROLE,
    Bundle,
    BundleFile,
    Manifest,
    load_bundle,
    write_bundle,
)
from selcon_ros.core.grounding.grounder import Grounder
from selcon_ros.core.grounding.preprocess import preprocess
from selcon_ros.core.grounding.samples import read_samples
from selcon_ros.core.machine.timing import time_alternately
from selcon_ros.core.outputs.heatmap_agreement import MAX_KLD, Agreement, agreement
from selcon_ros.core.pictures.picture_folder import IMAGE_SUFFIXES, pictures_below
from selcon_training.data.images import read_picture
from selcon_training.data.ordering import spread
from selcon_training.errors import DataError
from selcon_training.export.attention_fusion import fused
from selcon_training.export.static_int8 import Inputs, static_int8

Picture = Path | NDArray[np.uint8]
"""A file, or pixels [H, W, 3]."""
_TIMING_ROUNDS, _TIMING_RUNS = 3, 3
DYNAMIC = "dynamic, 7 bit weights per channel"
STATIC = "static, 7 bit weights per channel"
_PRODUCTS = ("Attention", "MatMul", "Gemm")
MAX_CALIBRATION_PICTURES = 256
"""At most as many further pictures give the scales."""


@dataclass(frozen=True)
class Quantized:
    """How far int8 is from fp32, and its time as a share of that of fp32 on this machine.

    calibrated: pictures that scales were taken from; 0 for a graph that scales activations as they come.
    """

    agreement: Agreement
    time_ratio: float
    calibrated: int


def quantize(
    bundle: Path,
    pictures: Path | None,
    out: Path,
    limit: int,
    tolerance: float = MAX_KLD,
    threads: int | None = None,
    calibrate: Path | None = None,
) -> tuple[Manifest, Quantized]:
    """Add an int8 graph to `bundle` and write it to `out`; returns its manifest and how far int8 is from
    fp32 on `limit` evenly spread pictures below a folder, by default on the bundle's samples.

    The scales of convolutions are taken from the samples and from at most MAX_CALIBRATION_PICTURES below
    `calibrate`. Raises DataError for a folder without pictures, SelconError where int8 is farther from fp32
    than `tolerance` or the graph has nothing to quantise; nothing is then written.
    """
    given = load_bundle(bundle)
    asked: list[Picture] = [*(read_samples(given) if pictures is None else _pictures(pictures))]
    images = spread(asked, limit)
    more = [] if calibrate is None else spread(_pictures(calibrate), MAX_CALIBRATION_PICTURES)
    fp32 = replace(given, files={"model": given.model})
    int8, method, calibrated = _in_int8(given, more)
    exact, rounded = (Grounder(given, open_on_cpu(each, CpuOptions(threads))) for each in (fp32, int8))
    shown = tqdm(images, desc="int8 against fp32", unit="image")
    found = agreement(exact, rounded, (_image(each) for each in shown))
    if not found.within(tolerance):
        raise SelconError(f"{found.too_far('int8', tolerance)}. {out} is not written: keep fp32")
    record = {"method": method, "tolerance": tolerance, **asdict(found)}
    if calibrated:
        record["calibrated"] = calibrated
    manifest = replace(given.manifest, metrics=given.manifest.metrics | {"int8": record})
    written = write_bundle(out, manifest, given.files | int8.files)
    frames = _image(images[0])[None]
    times = time_alternately(
        {"fp32": lambda: exact.backend.run(frames), "int8": lambda: rounded.backend.run(frames)},
        _TIMING_ROUNDS,
        _TIMING_RUNS,
    )
    return written, Quantized(found, times["int8"].median / times["fp32"].median, calibrated)


def int8_graph(model: bytes, inputs: Iterable[Inputs] | None = None) -> bytes:
    """Return an ONNX graph whose products with constant matrices take 8 bit integers, or, where it has none,
    its convolutions.

    In a graph with products self-attention becomes one operator first (`cpu_graph.fused`). Activations are
    scaled as they come, weights by output channel; convolutions and everything else stay fp32. In a graph of
    convolutions the activations have fixed scales, taken from network `inputs` (see `static_int8`). Weights
    take 7 bits: on CPUs without VNNI sums of two products of 8 bits saturate. Raises BackendError for a graph
    without either, one of convolutions without inputs, or one that cannot be quantised.
    """
    given = iter(() if inputs is None else inputs)
    try:
        with without_advice(), tempfile.TemporaryDirectory() as folder:
            graph = fused(model)
            if has_products(graph):
                return _dynamic_int8(graph, Path(folder))
            if any(node.op_type == "Conv" for node in graph.graph.node):
                first = next(given, None)
                if first is None:
                    raise BackendError(
                        "int8 convolutions have fixed scales, and there are no sample pictures to take them "
                        "from: give --calibrate FOLDER"
                    )
                return static_int8(model, chain([first], given), Path(folder))
    except SelconError:  # of a picture too
        raise
    except Exception as error:  # the library's errors share no base class
        reason = first_line(error)
        if isinstance(error, OSError) or "serialization failed" in reason:
            reason += f"; is there room in {tempfile.gettempdir()}?"
        raise BackendError(f"the graph cannot be quantised: {reason}") from error
    raise BackendError(
        "the graph has no products with constant matrices and no convolutions: int8 would change nothing"
    )


def has_products(model: onnx.ModelProto) -> bool:
    """Whether a graph has products with constant matrices, as transformers have."""
    constants = {each.name for each in model.graph.initializer}
    return any(
        node.op_type in _PRODUCTS and not constants.isdisjoint(node.input[1:2]) for node in model.graph.node
    )


def _dynamic_int8(graph: onnx.ModelProto, folder: Path) -> bytes:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    done = folder / "int8.onnx"
    quantize_dynamic(
        graph,
        done,
        op_types_to_quantize=list(_PRODUCTS),
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
        # ONNX knows nothing of what `Attention` makes.
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )
    return done.read_bytes()


def _in_int8(given: Bundle, pictures: Sequence[Path]) -> tuple[Bundle, str, int]:
    """Return the bundle with its int8 graph in place of all files, the method, and of how many pictures it
    knows the values: the bundle's samples and `pictures`."""
    seen: list[Picture] = [*(read_samples(given) if given.sample_files else []), *pictures]
    content = int8_graph(given.model, _inputs(given.manifest, seen) if seen else None)
    files = given.manifest.files | {INT8_ROLE: BundleFile(f"{INT8_ROLE}.onnx")}
    static = any(node.op_type == "DequantizeLinear" for node in onnx.load_from_string(content).graph.node)
    bundle = replace(given, manifest=replace(given.manifest, files=files), files={INT8_ROLE: content})
    return bundle, STATIC if static else DYNAMIC, len(seen) if static else 0


def _inputs(manifest: Manifest, pictures: Sequence[Picture]) -> Iterator[Inputs]:
    for each in tqdm(pictures, desc="scales", unit="image"):
        yield {INPUT_NAME: preprocess(_image(each), manifest)}


def _image(given: Picture) -> NDArray[np.uint8]:
    return read_picture(given) if isinstance(given, Path) else given


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder: give one with pictures like those the robot will see")
    found = pictures_below(folder)
    if not found:
        raise DataError(f"{folder} holds no pictures ({', '.join(IMAGE_SUFFIXES)}): int8 is measured on them")
    return found
