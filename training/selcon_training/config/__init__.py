"""The training configuration: YAML files, checked key by key."""

from selcon_training.config.sections import OptimiserConfig, ScheduleConfig
from selcon_training.config.train_config import (
    ConfigError,
    TrainConfig,
    load_config,
    parse_config,
    read_yaml,
)

__all__ = [
    "ConfigError",
    "OptimiserConfig",
    "ScheduleConfig",
    "TrainConfig",
    "load_config",
    "parse_config",
    "read_yaml",
]
