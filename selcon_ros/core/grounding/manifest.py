"""What manifest.json of a model bundle says, checked field by field."""

import json
import math
import re
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast, get_args

from selcon_ros.core.errors import BundleError
from selcon_ros.core.files.json_file import parse_object
from selcon_ros.core.grounding.actions import action_key
from selcon_ros.core.grounding.confidence import ConfidenceFit
from selcon_ros.core.grounding.placement import Canvas, Fit
from selcon_ros.core.text import one_line, quoted

FORMAT_VERSIONS: dict[str, int] = {"stretch": 1, "pad": 2}
"""By fit: programs that know no fit read version 1 alone, and would stretch the images of version 2."""
OTHER_ACTIONS_VERSION = 3
"""Of a confidence to which other actions count, with either fit: older programs would leave those out."""
Calibration = Literal["continuous", "binarized", "none"]
# What the node logs and publishes has bounds.
MAX_TEXT_LENGTHS = {"name": 200, "description": 4000, "licence": 4000}
MAX_VALUES = 1 << 24
"""Of the network's input in pixels, and of an output: 4096 x 4096."""
MAX_WEIGHT = 1e6
"""Of another action's evidence: no sum of them can overflow."""
MAX_ACTIONS, MAX_ACTION_LENGTH = 2000, 100


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation of R, G, B in 0..1 that the network's input is normalised with."""

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Encoder:
    """An encoder by name and the SHA-256 of the weights it was loaded with, "" if not known.

    Where it was trained too, they are those it started from.
    """

    name: str
    sha256: str = ""


@dataclass(frozen=True)
class BundleFile:
    """A file of the bundle: its path inside the bundle and its SHA-256 in hexadecimal."""

    path: str
    sha256: str = ""


@dataclass(frozen=True)
class Manifest:
    """The manifest of a model bundle; sizes are (height, width). Raises BundleError for a bad value.

    `map_grid` is the size of the network's two maps: its patch grid, or a multiple where the CAM is finer.
    `fit` says how an image is brought to `input_size`: see `placement.Canvas`.
    `smoothing` (map cells) and `temperature` soften the heatmap (see `heatmap.soften`); 0 and 1 do not.
    `description` is what the node prints at start-up. `training` and `metrics` are free records.
    `files` is filled in by `write_bundle`.
    """

    name: str
    description: str
    licence: str
    actions: tuple[str, ...]
    input_size: tuple[int, int]
    map_grid: tuple[int, int]
    fit: Fit = "stretch"
    normalisation: Normalisation = field(default_factory=Normalisation)
    calibration: Calibration = "continuous"
    gamma: float = 0.6
    smoothing: float = 0.0
    temperature: float = 1.0
    confidence: ConfidenceFit | None = None
    encoders: dict[str, Encoder] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    files: dict[str, BundleFile] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Sequences given as lists become tuples, so that equal manifests compare equal.
        for name in ("actions", "input_size", "map_grid"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        _check_manifest(self)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The graph's outputs: "cam", and "affinity" where the calibration needs it."""
        return ("cam",) if self.calibration == "none" else ("cam", "affinity")

    @property
    def canvas(self) -> Canvas:
        """Where images lie in the network's input and maps."""
        return Canvas(self.input_size, self.map_grid, self.fit)

    @property
    def rendered_only(self) -> bool:
        """Whether the training record says that all training data were rendered: "synthetic" is true, and
        "real_pictures" (of backgrounds, textures or negatives) is not.
        """
        return self.training.get("synthetic") is True and self.training.get("real_pictures") is not True

    @property
    def data_warning(self) -> str:
        """What a user of a real camera must know about the training data, in one line; "" if nothing."""
        if not self.rendered_only:
            return ""
        name = one_line(" ".join(str(self.training.get("data", "")).split()), 80)
        data = f"rendered scenes alone ({name})" if name else "rendered scenes alone"
        return (
            f"trained on {data}: do not trust it on a real camera; "
            "give a bundle trained on photographs (selcon import-official, selcon train)"
        )

    @property
    def format_version(self) -> int:
        """The lowest that has all that the manifest says."""
        if self.confidence is not None and self.confidence.others:
            return OTHER_ACTIONS_VERSION
        return FORMAT_VERSIONS[self.fit]

    def to_json(self) -> str:
        """Return the text of manifest.json."""
        record = {"format_version": self.format_version, **asdict(self)}
        if self.confidence is not None and not self.confidence.others:
            del record["confidence"]["others"]  # as programs wrote it that do not know it
        return json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> "Manifest":
        """Parse manifest.json. Raises BundleError naming the field and its value."""
        content = text.encode() if isinstance(text, str) else text
        record = parse_object(content, "manifest.json", BundleError)
        version, known = record.get("format_version"), range(1, OTHER_ACTIONS_VERSION + 1)
        wanted = f"1 to {OTHER_ACTIONS_VERSION} for this program (a higher one is of a newer one: update)"
        _expect(type(version) is int and version in known, "format_version", version, wanted)
        manifest = _from_record(record)
        with_others = " and confidence.others" if manifest.format_version == OTHER_ACTIONS_VERSION else ""
        wanted = f"{manifest.format_version} with fit {manifest.fit}{with_others}"
        _expect(version == manifest.format_version, "format_version", version, wanted)
        return manifest


def _expect(condition: bool, name: str, value: object, wanted: str) -> None:
    if not condition:
        raise BundleError(f"manifest.json: {one_line(name, 100)} must be {wanted}, got {quoted(value, 80)}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _text(record: dict[str, Any], name: str) -> str:
    _expect(name in record, name, None, "given")
    _expect(isinstance(record[name], str), name, record[name], "text")
    return cast(str, record[name])


def _object(record: dict[str, Any], name: str) -> dict[str, Any]:
    value = record.get(name, {})
    _expect(isinstance(value, dict), name, value, "an object")
    return cast(dict[str, Any], value)


def _list(record: dict[str, Any], name: str, within: str = "") -> tuple[Any, ...]:
    _expect(isinstance(record.get(name), list), within + name, record.get(name), "a list")
    return tuple(record[name])


def _from_record(record: dict[str, Any]) -> Manifest:
    normalisation = _object(record, "normalisation")
    fit = record.get("confidence")
    _expect(fit is None or isinstance(fit, dict), "confidence", fit, "an object or null")
    records = {name: _object(record, name) for name in ("encoders", "files")}
    for group, entries in records.items():
        for key, entry in entries.items():
            _expect(isinstance(entry, dict), f"{group}.{key}", entry, "an object")
    return Manifest(
        name=_text(record, "name"),
        description=_text(record, "description"),
        licence=_text(record, "licence"),
        actions=_list(record, "actions"),
        input_size=cast(tuple[int, int], _list(record, "input_size")),
        map_grid=cast(tuple[int, int], _list(record, "map_grid")),
        fit=record.get("fit", "stretch"),
        normalisation=Normalisation(
            mean=cast(tuple[float, float, float], _list(normalisation, "mean", "normalisation.")),
            std=cast(tuple[float, float, float], _list(normalisation, "std", "normalisation.")),
        ),
        calibration=cast(Calibration, _text(record, "calibration")),
        gamma=record.get("gamma", 0.6),
        smoothing=record.get("smoothing", 0.0),
        temperature=record.get("temperature", 1.0),
        confidence=_confidence(fit) if fit is not None else None,
        encoders={
            key: Encoder(_text(entry, "name"), _text(entry, "sha256"))
            for key, entry in records["encoders"].items()
        },
        training=_object(record, "training"),
        metrics=_object(record, "metrics"),
        files={
            key: BundleFile(_text(entry, "path"), _text(entry, "sha256"))
            for key, entry in records["files"].items()
        },
    )


def _confidence(fit: dict[str, Any]) -> ConfidenceFit:
    scale, offset = (_list(fit, name, "confidence.") for name in ("scale", "offset"))
    others = _list(fit, "others", "confidence.") if "others" in fit else ()
    for row in others:
        _expect(isinstance(row, list), "confidence.others", row, "lists of numbers")
    return ConfidenceFit(scale, offset, tuple(map(tuple, others)))


def _check_manifest(manifest: Manifest) -> None:
    name_fits = bool(manifest.name.strip()) and manifest.name.isprintable()
    _expect(name_fits, "name", manifest.name, "printable text that is not empty")
    for name, most in MAX_TEXT_LENGTHS.items():
        text = getattr(manifest, name)
        _expect(len(text) <= most, name, text, f"text of at most {most} characters")
    actions = manifest.actions
    _expect(len(actions) > 0, "actions", actions, "a list of at least one action")
    _expect(len(actions) <= MAX_ACTIONS, "actions", actions, f"a list of at most {MAX_ACTIONS} actions")
    seen: dict[str, str] = {}
    for action in actions:
        named = isinstance(action, str) and len(action) <= MAX_ACTION_LENGTH and action_key(action) != ""
        named = named and action.isprintable()
        _expect(named, "actions", action, f"names of at most {MAX_ACTION_LENGTH} printable characters")
        key = action_key(action)
        _expect(key not in seen, "actions", f"{seen.get(key)} and {action}", "different names")
        seen[key] = action
    for name in ("input_size", "map_grid"):
        size = getattr(manifest, name)
        whole = all(type(value) is int and 1 <= value <= 8192 for value in size)
        _expect(len(size) == 2 and whole, name, size, "[height, width] of 1 to 8192")
    pixels = math.prod(manifest.input_size)
    _expect(pixels <= MAX_VALUES, "input_size", manifest.input_size, f"of at most {MAX_VALUES} pixels")
    values = math.prod(manifest.map_grid) * len(actions)
    wanted = f"of at most {MAX_VALUES} cells for all actions"
    _expect(values <= MAX_VALUES, "map_grid", manifest.map_grid, wanted)
    ways = get_args(Fit)
    _expect(manifest.fit in ways, "fit", manifest.fit, " or ".join(ways))
    if manifest.fit == "pad":
        wanted = f"a multiple of map_grid {manifest.map_grid} on both sides with fit pad"
        _expect(manifest.canvas.whole_cells, "input_size", manifest.input_size, wanted)
    for name in ("mean", "std"):
        values = getattr(manifest.normalisation, name)
        fits = len(values) == 3 and all(map(_is_number, values))
        _expect(fits, f"normalisation.{name}", values, "three numbers")
    std = manifest.normalisation.std
    _expect(min(std) > 0, "normalisation.std", std, "above zero")
    known = get_args(Calibration)
    _expect(manifest.calibration in known, "calibration", manifest.calibration, " or ".join(known))
    for name, low, high in (("gamma", 0, 1), ("smoothing", 0, 20), ("temperature", 0.05, 20)):
        value = getattr(manifest, name)
        _expect(_is_number(value) and low <= value <= high, name, value, f"a number from {low} to {high}")
    if manifest.confidence is not None:
        for name in ("scale", "offset"):
            values = getattr(manifest.confidence, name)
            fits = len(values) == len(actions) and all(map(_is_number, values))
            _expect(fits, f"confidence.{name}", values, f"{len(actions)} numbers, one per action")
        _check_others(manifest.confidence.others, len(actions))
    for role, encoder in manifest.encoders.items():
        _expect(bool(encoder.name.strip()), f"encoders.{role}.name", encoder.name, "text that is not empty")
        _check_digest(f"encoders.{role}.sha256", encoder.sha256)
    for role, entry in manifest.files.items():
        _check_digest(f"files.{role}.sha256", entry.sha256)


def _check_others(others: tuple[tuple[float, ...], ...], count: int) -> None:
    _expect(len(others) in (0, count), "confidence.others", others, f"{count} lists, one per action")
    for number, row in enumerate(others):
        fits = len(row) == count and all(_is_number(weight) and abs(weight) <= MAX_WEIGHT for weight in row)
        wanted = f"{count} numbers up to {MAX_WEIGHT:g}, one per action, and 0 for the action itself"
        _expect(fits and row[number] == 0, f"confidence.others[{number}]", row, wanted)


def _check_digest(name: str, digest: str) -> None:
    fits = not digest or re.fullmatch("[0-9a-f]{64}", digest) is not None
    _expect(fits, name, digest, "64 hexadecimal digits in lower case")
