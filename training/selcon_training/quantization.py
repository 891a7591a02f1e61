"""int8 for CPUs: a bundle's matrix products with 8 bit weights, measured against fp32 before they are
written."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from tqdm import tqdm

from selcon_ros.backends.base import Setup, open_backend
from selcon_ros.core.bundle import INT8_ROLE, Bundle, BundleFile, Manifest, load_bundle, write_bundle
from selcon_ros.core.errors import BackendError, SelconError, first_line
from selcon_ros.core.files import read_image
from selcon_ros.core.grasp import GraspParameters, find
from selcon_ros.core.grounder import Engine, Grounder, Grounding
from selcon_ros.core.samples import read_samples
from selcon_ros.core.timing import compare
from selcon_training.cpu_graph import fused
from selcon_training.data.layout import IMAGE_SUFFIXES
from selcon_training.data.sampling import spread
from selcon_training.errors import DataError
from selcon_training.metrics import compare as compare_maps
from selcon_training.metrics import prepare_prediction

TOLERANCE = 0.01
"""Mean KLD of int8 heatmaps from the fp32 ones above which a bundle is not written."""
_ROUNDS, _RUNS = 3, 3


@dataclass(frozen=True)
class Quantized:
    """How far int8 is from fp32, over all actions on all pictures.

    kld_*: KLD of the int8 heatmap with the fp32 one as the truth (`metrics.compare`), over those that are not
        constant.
    shift_*: how far the best grasp pixel moves, in camera pixels, over the `grasped` heatmaps where both have
        one; `changed`: share of heatmaps where only one of the two has one. No confidence is asked for.
    time_ratio: time of int8 as a share of that of fp32, on this machine.
    """

    images: int
    kld_mean: float
    kld_p95: float
    kld_max: float
    grasped: int
    shift_median: float
    shift_p95: float
    changed: float
    time_ratio: float


def quantize(
    bundle: Path,
    pictures: Path | None,
    out: Path,
    limit: int,
    tolerance: float = TOLERANCE,
    threads: int | None = None,
) -> tuple[Manifest, Quantized]:
    """Add an int8 graph to ``bundle`` and write it to ``out``; returns its manifest and how far int8 is from
    fp32 on ``limit`` evenly spread pictures below a folder, by default on the bundle's samples.

    Raises DataError for a folder without pictures, SelconError where int8 is farther from fp32 than
    ``tolerance`` or the graph has nothing to quantise; nothing is then written.
    """
    given = load_bundle(bundle)
    images = spread(read_samples(given) if pictures is None else _pictures(pictures), limit)
    fp32 = replace(given, files={"model": given.model})
    int8 = in_int8(given)
    engines = [open_backend(each, setup=Setup(threads)) for each in (fp32, int8)]
    found = _measure([Grounder(given, engine) for engine in engines], images)
    if not found.kld_mean <= tolerance:
        raise SelconError(
            f"int8 heatmaps have a KLD of {found.kld_mean:.4f} from those of fp32 on {found.images} "
            f"pictures, more than the tolerance {tolerance:g}: {out} is not written; keep fp32"
        )
    record = {"method": "dynamic, 7 bit weights per channel", "tolerance": tolerance, **asdict(found)}
    del record["time_ratio"]  # of this machine, not of the bundle
    manifest = replace(given.manifest, metrics=given.manifest.metrics | {"int8": record})
    return write_bundle(out, manifest, given.files | int8.files), found


def int8_graph(model: bytes) -> bytes:
    """Return an ONNX graph whose products with constant matrices take 8 bit integers.

    Self-attention becomes one operator first (`cpu_graph.fused`). Activations are scaled as they come,
    weights by output channel; convolutions and everything else stay fp32. Weights take 7 bits: on CPUs
    without VNNI sums of two products of 8 bits saturate. Raises BackendError for a graph without such
    products.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.getLogger().addFilter(_without_advice)
    try:
        with tempfile.TemporaryDirectory() as folder:
            done = Path(folder) / "int8.onnx"
            quantize_dynamic(
                fused(model),
                done,
                op_types_to_quantize=["Attention", "MatMul", "Gemm"],
                per_channel=True,
                reduce_range=True,
                weight_type=QuantType.QInt8,
                # ONNX knows nothing of what `Attention` makes.
                extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
            )
            content = done.read_bytes()
    except Exception as error:  # the library's errors share no base class
        raise BackendError(f"the graph cannot be quantised: {first_line(error)}") from error
    finally:
        logging.getLogger().removeFilter(_without_advice)
    kinds = {node.op_type for node in onnx.load_from_string(content).graph.node}
    if not kinds & {"MatMulInteger", "QAttention"}:
        raise BackendError("the graph has no products with constant matrices: int8 would change nothing")
    return content


def in_int8(given: Bundle) -> Bundle:
    """Return the bundle with its int8 graph (`int8_graph`) in place of all files."""
    content = int8_graph(given.model)
    files = given.manifest.files | {INT8_ROLE: BundleFile(f"{INT8_ROLE}.onnx")}
    return replace(given, manifest=replace(given.manifest, files=files), files={INT8_ROLE: content})


def _without_advice(record: logging.LogRecord) -> bool:
    """Drop the library's advice to do what `int8_graph` has done."""
    return "pre-process" not in record.getMessage()


def _measure(
    grounders: Sequence[Grounder], images: Sequence[Path] | Sequence[NDArray[np.uint8]]
) -> Quantized:
    """Ground all actions in every picture with fp32 and with int8."""
    klds: list[NDArray[np.float64]] = []
    shifts: list[float] = []
    changed = 0
    for each in tqdm(images, desc="int8 against fp32", unit="image"):
        image = read_image(each) if isinstance(each, Path) else each
        exact, rounded = (grounder.ground(image) for grounder in grounders)
        truth, prediction = (prepare_prediction(each.refined) for each in (exact, rounded))
        telling = truth.amax(dim=(-2, -1)) > 0
        klds.append(compare_maps(prediction[telling], truth[telling]).kld.numpy())
        for action in grounders[0].actions:
            points = [_grasp_pixel(each, action) for each in (exact, rounded)]
            if points[0] is not None and points[1] is not None:
                shifts.append(float(np.hypot(*np.subtract(points[0], points[1]))))
            else:
                changed += (points[0] is None) is not (points[1] is None)
    kld = np.concatenate(klds)
    if not len(kld):
        raise DataError("every fp32 heatmap is constant on these pictures: int8 cannot be compared with it")
    engines = [grounder.backend for grounder in grounders]
    return Quantized(
        len(images),
        float(kld.mean()),
        float(np.percentile(kld, 95)),
        float(kld.max()),
        len(shifts),
        float(np.median(shifts)) if shifts else 0.0,
        float(np.percentile(shifts, 95)) if shifts else 0.0,
        changed / (len(images) * len(grounders[0].actions)),
        _time_ratio(engines, image[None]),
    )


def _grasp_pixel(grounding: Grounding, action: str) -> tuple[float, float] | None:
    points = find(grounding.heatmap(action), parameters=GraspParameters(min_confidence=0.0))
    return points[0].pixel if points else None


def _time_ratio(engines: Sequence[Engine], frames: NDArray[np.uint8]) -> float:
    fp32, int8 = engines
    times = compare({"fp32": lambda: fp32.run(frames), "int8": lambda: int8.run(frames)}, _ROUNDS, _RUNS)
    return times["int8"].median / times["fp32"].median


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder: give one with pictures like those the robot will see")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise DataError(f"{folder} holds no pictures ({', '.join(IMAGE_SUFFIXES)}): int8 is measured on them")
    return found
