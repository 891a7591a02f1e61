"""What a study compares: rows of changed configuration keys, read from YAML."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

from pydantic import Field, ValidationError, field_validator

from selcon_ros.core.files.user_path import user_path
from selcon_ros.core.grounding.manifest import Calibration
from selcon_training.config import ConfigError, TrainConfig, load_config, read_yaml
from selcon_training.config.section import Section

STUDIES_FOLDER = Path(__file__).parent / "studies"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class StudyRow(Section):
    """One line of a study: the configuration with these keys changed."""

    name: str
    """Names the folder of its runs."""
    label: str
    set: dict[str, Any] = Field(default_factory=dict)
    """Keys of the configuration (`weak.alpha`) and their values."""
    published: dict[Calibration, tuple[float, float, float]] = Field(default_factory=dict)
    """KLD, SIM and NSS of the paper, by calibration."""

    @field_validator("name")
    @classmethod
    def _is_a_folder_name(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError("must be letters, digits, dots, dashes and underscores")
        return name


class Study(Section):
    """A question and the rows that answer it; the first row is what the others are compared with."""

    name: str
    title: str
    note: str = ""
    published: str = ""
    """Where the published figures come from."""
    calibrations: tuple[Calibration, ...] = get_args(Calibration)
    rows: list[StudyRow] = Field(min_length=1)

    @field_validator("rows")
    @classmethod
    def _names_differ(cls, rows: list[StudyRow]) -> list[StudyRow]:
        names = [row.name for row in rows]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"row names must differ, found twice: {', '.join(twice)}")
        return rows


def known_studies() -> list[str]:
    """The names of the studies that come with the package."""
    return sorted(path.stem for path in STUDIES_FOLDER.glob("*.yaml"))


def load_study(name: str) -> Study:
    """Read a packaged study by name, or a user's by the path of its YAML file. Raises ConfigError."""
    path = (
        user_path(name, ConfigError) if name.endswith((".yaml", ".yml")) else STUDIES_FOLDER / f"{name}.yaml"
    )
    if not path.is_file():
        raise ConfigError(
            f"no study {name!r}: give the path of a YAML file or one of {', '.join(known_studies())}"
        )
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected keys and values, found {type(values).__name__}")
    try:
        return Study.model_validate({"name": path.stem} | values)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in error.errors()]
        raise ConfigError(f"{path}: {'; '.join(problems)}") from error


def run_config(base: Path, overrides: list[str], row: StudyRow, seed: int, output: Path) -> TrainConfig:
    """The configuration of one run: the base file, the user's overrides, the row's changes, seed, folder."""
    changes = [f"{key}={json.dumps(value)}" for key, value in row.set.items()]
    return load_config(base, [*overrides, *changes, f"seed={seed}", f"output={json.dumps(str(output))}"])
