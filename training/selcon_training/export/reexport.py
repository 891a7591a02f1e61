"""A bundle from another one's weights: for another input size, or averaged over other views."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from selcon_ros.core.grounding.bundle import MANIFEST_FILE, Bundle, Manifest, load_bundle, write_bundle
from selcon_training.export.bundle import Weights, export_graph, picked_samples, warn_of_shift
from selcon_training.export.half_weights import in_half_weights, stored_alike
from selcon_training.models.from_bundle import restore
from selcon_training.models.network import example_images
from selcon_training.models.test_time_averaging import NO_AVERAGING

_log = logging.getLogger(__name__)


def is_bundle(path: Path) -> bool:
    """Whether a path is that of a bundle, not of a checkpoint."""
    return path.suffix == ".zip" or (path / MANIFEST_FILE).is_file()


def reexport(
    bundle: Path,
    out: Path,
    *,
    flip: bool | None = None,
    scales: Sequence[float] | None = None,
    input_size: tuple[int, int] | None = None,
    samples: Path | None = None,
    weights: Weights = "fp32",
    **texts: str | None,
) -> Manifest:
    """Export the network of a convolutional bundle anew into `out`, a folder or .zip; return its manifest.

    What is not None replaces what the bundle has: `flip` and `scales` (see `Averaging`), `input_size`
    (height, width), `samples`, and as `texts` the manifest's name, description and licence. With
    `weights` "fp32" they are stored as the bundle has them (`stored_alike`). The int8 graph, and the
    confidence if it was fitted to other maps, are left out. Raises BundleError, CheckpointError for a bundle
    of another network, EncoderError for a size or scales that do not fit it, ExportError for a wrong graph.
    """
    given = load_bundle(bundle)
    restored = restore(given)
    net, averaging = restored.net, restored.averaging.changed(flip, scales)
    if input_size is not None and input_size != net.input_size:
        net = net.at_size(input_size)
        warn_of_shift(net)
    training = {key: value for key, value in given.manifest.training.items() if key != "averaging"}
    if net.input_size != restored.net.input_size:
        training.setdefault("input_size", list(restored.net.input_size))
    if averaging != NO_AVERAGING:
        training["averaging"] = averaging.record()
    changes: dict[str, Any] = {key: text for key, text in texts.items() if text is not None}
    manifest = replace(
        given.manifest,
        **changes,
        input_size=net.input_size,
        map_grid=net.map_grid,
        training=training,
        metrics={},
        files={},
    )
    if net.input_size != restored.net.input_size or averaging != restored.averaging:
        manifest = replace(manifest, confidence=None)
    graph = export_graph(net, affinity=False, averaging=averaging)
    if weights == "fp16":
        graph = in_half_weights(graph, [{"image": each} for each in example_images(net.input_size)])
    else:
        graph = stored_alike(graph, given.model, net.input_size)
    pictures = given.sample_files if samples is None else picked_samples(samples)
    written = write_bundle(out, manifest, {"model": graph} | pictures)
    _print_left_out(given, manifest)
    return written


def _print_left_out(given: Bundle, manifest: Manifest) -> None:
    """Say what is left out, and how to have it again."""
    if given.manifest.confidence is not None and manifest.confidence is None:
        _log.warning(
            "the confidence was fitted to other maps and is left out: add one with selcon fit-confidence"
        )
    if "model.int8" in given.files:
        _log.warning("the int8 graph is left out: add one with selcon quantize")
