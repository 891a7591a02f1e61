"""From a trained network to the ONNX graph and the bundle that a robot loads.

Text features are constants of the graph, encoders and heads are one graph, and nothing that inference does
not need is in it. The graph is compared with the network before anything is written.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, cast

from torch import Tensor, nn

from selcon_ros.core.grounding.bundle import ConfidenceFit, Encoder, Manifest, write_bundle
from selcon_ros.core.grounding.manifest import Calibration
from selcon_ros.core.grounding.placement import Fit
from selcon_ros.core.grounding.samples import sample_files
from selcon_ros.core.pictures.picture_folder import IMAGE_SUFFIXES, pictures_below
from selcon_training.data.agd20k import in_test_splits
from selcon_training.data.ordering import spread
from selcon_training.errors import CheckpointError, DataError, ExportError
from selcon_training.export.half_weights import in_half_weights
from selcon_training.export.onnx_trace import BATCH_AXIS, trace_graph
from selcon_training.export.open_vocabulary import open_files
from selcon_training.models.checkpoint import load_model
from selcon_training.models.heads import TextClassifier
from selcon_training.models.network import Network, example_images
from selcon_training.models.pyramid import PyramidNet
from selcon_training.models.selcon_net import SelconNet
from selcon_training.models.test_time_averaging import NO_AVERAGING, Averaging, averaged

_log = logging.getLogger(__name__)
Weights = Literal["fp32", "fp16"]
INTERMEDIATES = ("keys", "patches", "attention")
_FIELDS = (
    "name", "description", "licence", "fit", "calibration", "gamma", "confidence", "training", "metrics",
)  # fmt: skip


class _Graph(nn.Module):
    """The network with the outputs of a bundle, and for comparisons those of its encoders."""

    def __init__(self, net: Network, averaging: Averaging, affinity: bool, intermediates: bool) -> None:
        super().__init__()
        self.net = averaged(net, averaging)
        self.plain = net
        self.affinity = affinity
        self.intermediates = intermediates

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        # What is not returned is not in the traced graph: without affinity there is no CLIP encoder in it.
        maps = self.net(image)[: 2 if self.affinity else 1]
        if not self.intermediates:
            return cast(tuple[Tensor, ...], maps)
        assert isinstance(self.plain, SelconNet)
        keys, attention = self.plain.dino(image, attention=True)
        assert attention is not None
        return (*maps, keys, self.plain.patches(image), attention)


def export_graph(
    net: Network,
    affinity: bool = True,
    intermediates: bool = False,
    averaging: Averaging = NO_AVERAGING,
) -> bytes:
    """Return the ONNX graph of `net` for any number N of images, seen as `averaging` says.

    Input `image` float32 [N, 3, h, w] (normalised RGB); outputs `cam` and, unless it is not wanted,
    `affinity` float32 [N, C, gh, gw]. `intermediates` adds `keys` [N, D, gh, gw], `patches` [N, d, gh, gw]
    and `attention` [N, heads, gh, gw]. Raises ExportError if ONNX Runtime's outputs for one image or for
    several deviate from torch's by more than 1e-4 of their largest value.
    """
    with net.at_rest(), _baked(net):
        graph = _Graph(net, averaging, affinity, intermediates).eval()
        names = ["cam", *(["affinity"] if affinity else []), *(INTERMEDIATES if intermediates else ())]
        image, several = example_images(net.input_size)
        return trace_graph(
            graph,
            {"image": image},
            names,
            dynamic={name: {0: BATCH_AXIS} for name in ("image", *names)},
            again={"image": several},
        )


@contextmanager
def _baked(net: Network) -> Iterator[None]:
    """Give `net` an ordinary convolution as its classifier while the context lasts, made of text or not."""
    given = net.heads.classifier
    if isinstance(given, TextClassifier):
        net.heads.classifier = given.as_convolution()
    try:
        yield
    finally:
        net.heads.classifier = given


def export_bundle(
    net: Network,
    out: Path,
    *,
    name: str,
    description: str,
    licence: str,
    fit: Fit = "stretch",
    calibration: Calibration = "continuous",
    gamma: float = 0.6,
    confidence: ConfidenceFit | None = None,
    training: dict[str, Any] | None = None,
    metrics: dict[str, Any] | None = None,
    intermediates: bool = False,
    averaging: Averaging = NO_AVERAGING,
    open_vocabulary: bool = False,
    samples: Path | None = None,
    weights: Weights = "fp32",
) -> Manifest:
    """Export `net`, check the graph against torch, write the bundle to `out` (a folder or .zip) and return
    its manifest.

    The keywords are the manifest's fields of the same name; the rest of it is read from the network. What
    the graph averages over is recorded in `training`. `open_vocabulary` adds the graphs that answer any
    action on a workstation (see open_vocabulary.open_files); the robot's own is the same without them.
    `samples` is a folder of pictures, of which a few come along (see `picked_samples`). `weights` is how the
    robot's graph keeps them; it computes in fp32 with either. Raises ExportError before
    anything is written if a graph is wrong.
    """
    pictures = {} if samples is None else picked_samples(samples)
    with_clip = calibration != "none" or open_vocabulary
    encoders = {
        role: Encoder(name, (spec.sha256 or "") if spec else "")
        for role, (name, spec) in net.encoders.items()
        if role != "clip" or with_clip
    }
    if calibration != "none" and not isinstance(net, SelconNet):
        raise ExportError(f"calibration '{calibration}' needs an affinity, and this network has none: none")
    manifest = Manifest(
        name=name,
        description=description,
        licence=licence,
        actions=tuple(net.actions),
        input_size=net.input_size,
        map_grid=net.map_grid,
        fit=fit,
        normalisation=net.normalisation,
        calibration=calibration,
        gamma=gamma,
        confidence=confidence,
        encoders=encoders,
        training=(training or {}) | ({} if averaging == NO_AVERAGING else {"averaging": averaging.record()}),
        metrics=metrics or {},
    )
    affinity = "affinity" in manifest.outputs
    files: dict[str, bytes] = {}
    if open_vocabulary:
        if not isinstance(net, SelconNet):
            raise ExportError("an open vocabulary needs the paper's network; a backbone knows no text")
        with net.at_rest():
            files = open_files(net, averaging, affinity)
    graph = export_graph(net, affinity, intermediates, averaging)
    if weights == "fp16":
        graph = in_half_weights(graph, [{"image": images} for images in example_images(net.input_size)])
    files["model"] = graph
    return write_bundle(out, manifest, files | pictures)


def export_checkpoint(
    folder: Path,
    out: Path,
    *,
    flip: bool | None = None,
    scales: Sequence[float] | None = None,
    input_size: tuple[int, int] | None = None,
    open_vocabulary: bool = False,
    samples: Path | None = None,
    weights: Weights = "fp32",
    **overrides: Any,
) -> Manifest:
    """Export the checkpoint in `folder` as `export_bundle` does.

    Manifest fields and averaging come from the meta it was saved with; `flip`, `scales` and `overrides` that
    are not None replace them. `input_size` (height, width) takes the place of the trained one, which
    `training` then names (see `load_model`).
    """
    net, meta = load_model(folder)
    trained = net.input_size
    if input_size not in (None, trained):
        net, _ = load_model(folder, input_size)
    averaging = _averaging(folder, meta, flip, scales)
    given = {key: value for key, value in overrides.items() if value is not None}
    fields: dict[str, Any] = {key: meta.get(key) for key in _FIELDS} | given
    fields = {key: value for key, value in fields.items() if value is not None}
    if net.input_size != trained:
        fields["training"] = fields.get("training", {}) | {"input_size": list(trained)}
        if _without_confidence(fields):
            _log.warning("the confidence was fitted at input size %s and is left out of the bundle", trained)
        warn_of_shift(net)
    if averaging != _averaging(folder, meta, None, None) and _without_confidence(fields):
        _log.warning("the confidence was fitted without this averaging and is left out of the bundle")
    if isinstance(fields.get("confidence"), dict):
        try:
            fit = fields["confidence"]
            others = tuple(map(tuple, fit.get("others", ())))
            fields["confidence"] = ConfidenceFit(tuple(fit["scale"]), tuple(fit["offset"]), others)
        except (KeyError, TypeError) as error:
            raise CheckpointError(
                f"{folder}: its confidence fit is damaged: {fields['confidence']!r}"
            ) from error
    fields.setdefault("name", Path(folder).resolve().name)
    fields.setdefault("description", f"Trained for {', '.join(net.actions)}.")
    fields.setdefault("licence", "not stated")
    return export_bundle(
        net,
        out,
        averaging=averaging,
        open_vocabulary=open_vocabulary,
        samples=samples,
        weights=weights,
        **fields,
    )


def warn_of_shift(net: Network) -> None:
    """Say that a backbone's coarsest map reaches beyond the picture, and so lies shifted on the others."""
    if not isinstance(net, PyramidNet):
        return
    coarsest = net.backbone.strides[-1]
    if any(side % coarsest for side in net.input_size):
        wanted = ",".join(str(max(1, round(side / coarsest)) * coarsest) for side in net.input_size)
        _log.warning(
            "input size %s is no multiple of the backbone's coarsest stride, %s: unless trained so, it is "
            "much less accurate; give one that is, such as --size %s",
            net.input_size,
            coarsest,
            wanted,
        )


def _without_confidence(fields: dict[str, Any]) -> bool:
    """Take the confidence and what is known of it out of a manifest's fields; whether there was one."""
    if isinstance(fields.get("metrics"), dict):
        fields["metrics"] = {name: value for name, value in fields["metrics"].items() if name != "confidence"}
    return fields.pop("confidence", None) is not None


def _averaging(
    folder: Path, meta: dict[str, Any], flip: bool | None, scales: Sequence[float] | None
) -> Averaging:
    """Return what the training asked for (nothing, in a checkpoint that does not say), with the overrides."""
    try:
        averaging = Averaging(**(meta.get("averaging") or {}))
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{folder}: its averaging is damaged: {meta['averaging']!r}") from error
    return averaging.changed(flip, scales)


SAMPLE_COUNT = 8


def picked_samples(folder: Path) -> dict[str, bytes]:
    """Return SAMPLE_COUNT pictures, evenly spread over those below `folder`, as files of a bundle by role.

    All of them where there are fewer. Raises DataError for a folder without pictures and for pictures of a
    test split, ImageError for a damaged one.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder: give one with pictures held out for validation")
    found = pictures_below(folder)
    if not found:
        raise DataError(f"{folder} holds no pictures ({', '.join(IMAGE_SUFFIXES)}) to take samples of")
    for path in found:
        if tests := in_test_splits(path):
            raise DataError(
                f"{path} is of a test split ({tests[0]}), and samples help to decide which engine runs: "
                "give pictures held out for validation (valset/egocentric)"
            )
    return sample_files(spread(found, SAMPLE_COUNT))
