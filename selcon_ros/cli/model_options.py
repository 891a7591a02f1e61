"""Options of commands that run a model, as decorators. `options` has those that are quick to import."""

from __future__ import annotations

import click

from selcon_ros.backends.base import BACKENDS
from selcon_ros.cli.options import F, FiniteRange, added
from selcon_ros.core.grounding.bundle import PRECISIONS
from selcon_ros.model import AUTO

min_confidence_option = click.option(
    "--min-confidence",
    type=FiniteRange(0, 1),
    default=0.5,
    show_default=True,
    help="No grasp points below this confidence.",
)


def engine_options(function: F) -> F:
    """Add --backend and --precision."""
    options = [
        click.option(
            "--backend",
            type=click.Choice((AUTO, *BACKENDS)),
            default=AUTO,
            show_default=True,
            help="Inference engine; auto: the first for GPUs in docs/engines.md that runs here, else the "
            "fastest on the CPU.",
        ),
        click.option(
            "--precision",
            type=click.Choice(PRECISIONS),
            default="auto",
            show_default=True,
            help="Of the model; auto: fp16 on a GPU, on a CPU the fastest of fp32, bf16 and int8.",
        ),
    ]
    return added(options, function)
