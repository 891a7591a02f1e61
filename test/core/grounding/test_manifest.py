"""What a bundle's manifest may say, and what is said where it is wrong."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from selcon_ros.core.errors import BundleError
from selcon_ros.core.grounding.bundle import (
    Manifest,
    load_bundle,
)
from selcon_ros.core.grounding.placement import Fit
from support.bundles import colour_bundle, colour_manifest, edit_manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return colour_bundle(tmp_path / "bundle")


def test_a_manifest_that_says_nothing_of_softening_has_none(folder: Path) -> None:
    edit_manifest(folder, lambda record: [record.pop(name) for name in ("smoothing", "temperature")])
    assert replace(load_bundle(folder).manifest, files={}) == colour_manifest()


def test_a_manifest_that_says_nothing_of_the_fit_stretches(folder: Path) -> None:
    edit_manifest(folder, lambda record: record.pop("fit"))
    assert load_bundle(folder).manifest.fit == "stretch"


@pytest.mark.parametrize(("fit", "version"), [("stretch", 1), ("pad", 2)])
def test_programs_that_know_no_fit_refuse_the_bundles_that_they_would_stretch(
    tmp_path: Path, fit: Fit, version: int
) -> None:
    """They read format version 1 alone, and every field that they do not know is nothing to them."""
    folder = colour_bundle(tmp_path / "it", fit=fit)
    assert json.loads((folder / "manifest.json").read_text())["format_version"] == version
    assert load_bundle(folder).manifest.fit == fit


def test_older_programs_refuse_a_confidence_to_which_other_actions_count(folder: Path) -> None:
    """They would leave the others out, and say less than the bundle's confidence."""
    bundle = load_bundle(folder)
    given = bundle.manifest.confidence
    assert given is not None and "others" not in json.loads(bundle.manifest.to_json())["confidence"]
    helped = replace(given, others=((0.0, 0.0, 0.0), (1.5, 0.0, 0.25), (0.0, 0.0, 0.0)))
    for fit in ("stretch", "pad"):
        text = replace(bundle.manifest, confidence=helped, fit=fit).to_json()
        assert json.loads(text)["format_version"] == 3
        assert Manifest.from_json(text).confidence == helped


def others(value: object) -> Callable[[dict[str, Any]], object]:
    return lambda record: record["confidence"].update(others=value)


def drop(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda record: record.pop(name)


def put(**values: object) -> Callable[[dict[str, Any]], object]:
    return lambda record: record.update(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put(format_version=2), "format_version must be 1 with fit stretch, got 2"),
        (put(format_version=3), "format_version must be 1 with fit stretch, got 3"),
        (put(format_version=4), "format_version must be 1 to 3 for this program .*update.*got 4"),
        (put(format_version=True), "format_version must be 1.*got True"),
        (put(fit="pad"), "format_version must be 2 with fit pad, got 1"),
        (put(fit="crop"), "fit must be stretch or pad, got 'crop'"),
        (put(fit=["pad"]), "fit must be stretch or pad, got"),
        (
            put(format_version=2, fit="pad", map_grid=[18, 25]),
            r"input_size must be a multiple of map_grid \(18, 25\) on both sides with fit pad, got \(288",
        ),
        (drop("format_version"), "format_version must be 1.*got None"),
        (drop("name"), "name must be given"),
        (put(name="a\x1b[2Jb"), r"name must be printable text that is not empty, got 'a\\x1b\[2Jb'"),
        (put(description=7), "description must be text, got 7"),
        (put(actions=[]), "actions must be a list of at least one"),
        (put(actions="hold"), "actions must be a list, got 'hold'"),
        (put(actions=["hold", "cut_with", "Cut with"]), "actions must be different names, got 'cut_"),
        (put(actions=["hold", "_", "pour"]), "actions must be names"),
        (put(input_size=[288]), "input_size must be .*got \\(288,\\)"),
        (put(input_size=[288, -1]), "input_size must be"),
        (put(input_size=[288, 384.5]), "input_size must be"),
        (put(map_grid=[18, 10**9]), "map_grid must be"),
        (put(map_grid=[4096, 4096]), "map_grid must be of at most 16777216 cells for all actions"),
        (put(input_size=[4096, 8192]), "input_size must be of at most 16777216 pixels"),
        (put(normalisation={"mean": [0, 0, 0], "std": [1, 1]}), "normalisation.std must be three numbers"),
        (put(normalisation={"mean": [0, 0, 0], "std": [1, 1, 0]}), "normalisation.std must be above zero"),
        (put(normalisation={"mean": [0, 0, "x"], "std": [1, 1, 1]}), "normalisation.mean must be three"),
        (put(calibration="sometimes"), "calibration must be continuous or .*got 'sometimes'"),
        (put(gamma=1.5), "gamma must be a number from 0 to 1, got 1.5"),
        (put(gamma=float("nan")), "NaN is no number of JSON"),
        (put(smoothing=-0.5), "smoothing must be a number from 0 to 20, got -0.5"),
        (put(temperature=0), "temperature must be a number from 0.05 to 20, got 0"),
        (put(temperature="hot"), "temperature must be a number from 0.05 to 20, got 'hot'"),
        (put(confidence={"scale": [1], "offset": [0, 0, 0]}), "confidence.scale must be 3 numbers"),
        (put(confidence=[1]), "confidence must be an object or null"),
        (others("all"), "manifest.json: confidence.others must be a list, got 'all'"),
        (put(confidence={"scale": 1}), "manifest.json: confidence.scale must be a list, got 1"),
        (others([1, 2, 3]), "confidence.others must be lists of numbers, got 1"),
        (others([[0, 1, 1]]), "confidence.others must be 3 lists, one per action"),
        (others([[0, 1, 1], [1, 0], [1, 1, 0]]), r"confidence.others\[1\] must be 3 numbers"),
        (others([[0, 1, 1], [1, 0, 1], [1, 1, 2]]), r"confidence.others\[2\] .* 0 for the action itself"),
        (
            others([[0, 1, 1e7], [1, 0, 1], [1, 1, 0]]),
            r"confidence.others\[0\] must be 3 numbers up to 1e\+06",
        ),
        (others([[0, "x", 1], [1, 0, 1], [1, 1, 0]]), r"confidence.others\[0\] must be 3 numbers"),
        (
            others([[0, 1, 1], [1, 0, 1], [1, 1, 0]]),
            "must be 3 with fit stretch and confidence.others, got 1",
        ),
        (put(encoders={"clip": "ViT"}), "encoders.clip must be an object, got 'ViT'"),
        (put(encoders={"clip": {"name": " ", "sha256": ""}}), "encoders.clip.name must be text that is not"),
        (put(encoders={"dino": {"name": "v", "sha256": "A" * 64}}), "encoders.dino.sha256 must be 64"),
        (put(training=[]), "training must be an object"),
        (put(name="x" * 201), "name must be text of at most 200 characters"),
        (put(description="x" * 4001), "description must be text of at most 4000 characters"),
        (put(actions=["x" * 101]), "actions must be names of at most 100 printable characters"),
        (put(actions=["hold\nit"]), r"names of at most 100 printable characters, got 'hold\\nit'"),
        (put(encoders={"a\nb": 3}), r"encoders.a\\nb must be an object"),
        (put(actions=[f"a{n}" for n in range(2001)]), "actions must be a list of at most 2000 actions"),
        (put(gamma=10**17), "gamma must be a number from 0 to 1"),
        (put(files={}), "files must name 'model'"),
        (put(files={"model": {"path": "model.onnx", "sha256": "abc"}}), "files.model.sha256 must be 64"),
    ],
)
def test_each_wrong_field_is_named(
    folder: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    edit_manifest(folder, change)
    with pytest.raises(BundleError, match=message):
        load_bundle(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, "\xff"])
def test_a_manifest_that_is_no_object(text: str) -> None:
    with pytest.raises(BundleError, match="manifest.json"):
        Manifest.from_json(text.encode("latin1"))


def test_long_values_are_cut_in_messages() -> None:
    with pytest.raises(BundleError) as caught:
        Manifest.from_json(json.dumps({"format_version": "x" * 10_000}))
    assert len(str(caught.value)) < 200


def test_a_model_trained_on_rendered_scenes_alone_says_so() -> None:
    manifest = replace(colour_manifest(), training={"synthetic": True, "data": "tabletop"})
    assert manifest.rendered_only
    assert manifest.data_warning.startswith("trained on rendered scenes alone (tabletop): ")
    assert "real camera" in manifest.data_warning


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"synthetic": False},
        {"synthetic": "partly"},
        {"synthetic": 1},
        {"synthetic": True, "real_pictures": True},
    ],
)
def test_only_what_is_known_to_be_rendered_alone_is_warned_of(said: dict[str, Any]) -> None:
    manifest = replace(colour_manifest(), training=said)
    assert not manifest.rendered_only and manifest.data_warning == ""


def test_the_warning_is_one_line_whatever_the_data_are_called() -> None:
    for name in (None, 3, "a\nb" * 1000, "\x1b[2J"):
        warning = replace(colour_manifest(), training={"synthetic": True, "data": name}).data_warning
        assert len(warning) < 300 and warning.isprintable()
