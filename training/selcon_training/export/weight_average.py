"""A bundle between two of one convolutional network: the average of their weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from selcon_ros.core.grounding.bundle import Bundle, Manifest, load_bundle, write_bundle
from selcon_training.errors import ExportError
from selcon_training.export.bundle import Weights, export_graph
from selcon_training.export.half_weights import in_half_weights
from selcon_training.models.from_bundle import drop_presence, restore
from selcon_training.models.network import example_images
from selcon_training.models.pyramid import between

_SAME_FIELDS = ("actions", "fit", "normalisation", "smoothing", "temperature")


def average(first: Path, second: Path, share: float, out: Path, weights: Weights = "fp16") -> Manifest:
    """Write the bundle whose weights are `share` of the way from those of `first` to those of `second`.

    Everything else is the second's, but for its int8 graph, its presence, its confidence and its results,
    which were of other maps. Raises ExportError for bundles of different networks,
    CheckpointError for one whose network is not convolutional.
    """
    bundles = load_bundle(first), load_bundle(second)
    _check(*bundles)
    start, end = (restore(each) for each in bundles)
    if start.averaging != end.averaging:
        raise ExportError(f"{first} and {second} average over other views: export both alike")
    widths = [each.net.heads.width for each in (start, end)]
    if widths[0] != widths[1]:
        raise ExportError(
            f"{first} and {second} are no two states of one network: backbone.width is {widths[0]} and "
            f"{widths[1]}"
        )
    given = bundles[1]
    for path, each in ((first, start), (second, end)):
        drop_presence(each.net, str(path))
    graph = export_graph(between(start.net, end.net, share), affinity=False, averaging=end.averaging)
    if weights == "fp16":
        images = example_images(given.manifest.input_size)
        graph = in_half_weights(graph, [{"image": each} for each in images])
    record = {"with": bundles[0].manifest.training, "share": share}
    manifest = replace(
        given.manifest,
        confidence=None,
        training=_without_presence(given.manifest.training) | {"averaged": record},
        metrics={},
        files={},
    )
    return write_bundle(out, manifest, given.sample_files | {"model": graph})


def _without_presence(training: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in training.items() if key != "presence"}


def _check(first: Bundle, second: Bundle) -> None:
    networks = [each.manifest.encoders.get("backbone") for each in (first, second)]
    names = [each.name if each else None for each in networks]
    pairs = {"encoders.backbone": names} | {
        key: [getattr(each.manifest, key) for each in (first, second)] for key in _SAME_FIELDS
    }
    for key, (one, other) in pairs.items():
        if one != other:
            raise ExportError(
                f"{first.path} and {second.path} are no two states of one network: {key} is {one} and {other}"
            )
