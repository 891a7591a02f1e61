"""`selcon engine`: a bundle as the engine of an NVIDIA GPU."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from selcon_ros.cli.engine_cache import clean, list_engines, verify
from selcon_ros.cli.engine_options import (
    EngineOptions,
    chosen_library,
    engine_options,
    for_gpus,
    megabytes,
    pictures_in,
    progress_bar,
    reason_of,
)
from selcon_ros.cli.options import json_option
from selcon_ros.cli.paths import UserPath
from selcon_ros.core.errors import BackendError, BundleError
from selcon_ros.core.outputs.heatmap_agreement import Agreement

if TYPE_CHECKING:
    from selcon_ros.core.grounding.bundle import Bundle
    from selcon_ros.engines.cache import CachedEngine
    from selcon_ros.engines.repository import EngineSpec

MAX_LAYERS_SHOWN = 5
"""Layers named of those kept in fp32; --json names all."""


@click.group()
def command() -> None:
    """Engines of NVIDIA GPUs (TensorRT, TensorRT for RTX), built from a bundle and kept in a folder.

    The node takes them from there (parameter backend), each only once it has answered the bundle's sample
    pictures as fp32 in ONNX Runtime does.

    \b
    Examples:
      selcon engine build bundles/mine
      selcon engine list
      selcon engine verify bundles/mine
      selcon engine clean --stale
    """


command.add_command(list_engines)
command.add_command(verify)
command.add_command(clean)


@command.command(short_help="Build the engine of a bundle.")
@click.argument("bundle", type=UserPath())
@engine_options
@click.option("--again", is_flag=True, help="Build it even if it is there.")
@json_option
def build(
    bundle: Path,
    options: EngineOptions,
    again: bool,
    as_json: bool,
) -> None:
    """Build the engine of BUNDLE for the GPU at hand, or with --target ahead for others (tensorrt_rtx).

    The graph is converted, compared with fp32 in ONNX Runtime and built. Where the GPU is here, the engine
    runs and is compared too; otherwise the robot does that: with `selcon engine verify`, or when the node
    takes it for the first time.

    By default: TensorRT where it is installed, else TensorRT for RTX; fp16; batches of 1 to 4 images where
    the bundle's graph takes them; camera images up to 1080,1920. The network's input size is that of the
    bundle: `selcon export --size H,W` makes a bundle of another.

    \b
    Examples:
      selcon engine build bundles/mine
      selcon engine build bundles/mine --kind tensorrt_rtx --target 8.6 --target 12.0
      selcon engine build bundles/mine --precision fp32 --batch 1:2:8 --camera 2160,3840
      selcon engine build agd20k.zip --pictures photos --cache engines --json
    """
    chosen = chosen_library(options.kind)
    try:
        from selcon_ros.core.grounding.bundle import load_with_samples
        from selcon_ros.engines.cache import Cache
        from selcon_ros.engines.compatibility import incompatibility
        from selcon_ros.engines.repository import EngineSpec, find
        from selcon_ros.engines.repository import build as build_engine
        from selcon_ros.engines.repository import verify as run_and_compare
    except ImportError:
        chosen.load()  # told first where it is missing: its extra brings the others
        raise

    spec = EngineSpec(
        chosen,
        options.precision or "fp16",
        options.batch,
        options.camera,
        options.targets,
        options.device,
    )
    _check_targets(spec)
    model = load_with_samples(bundle)
    images = pictures_in(options.pictures)
    _check_samples(model, options.pictures)
    store = Cache(options.cache)
    entry = None if again else find(model, spec, store)
    built = entry is None or reason_of(entry.content) is not None
    if entry is None or built:
        with progress_bar(as_json) as (progress, tell):
            entry = build_engine(model, spec, store, progress, tell, options.tolerance, images, again)
    why_not = incompatibility(entry.record.key, options.device)
    if entry.record.agreement is None and why_not is None:
        entry = run_and_compare(model, entry, store, options.device, options.tolerance, images)
    if as_json:
        result = {"built": built, "path": str(entry.path), "not_run": why_not, **asdict(entry.record)}
        click.echo(json.dumps(result, indent=2))
    else:
        _print(entry, built, why_not, bundle)


def _check_targets(spec: EngineSpec) -> None:
    from selcon_ros.backends.cuda import gpu

    if spec.compute and not spec.library.builds_ahead:
        raise click.UsageError(
            f"--target is for --kind tensorrt_rtx: {spec.library.title} builds on the GPU that runs the "
            "engine"
        )
    if not spec.compute and (missing := reason_of(lambda: gpu(spec.device))) is not None:
        instead = "" if spec.library.builds_ahead else "--kind tensorrt_rtx and "
        raise BackendError(
            f"{missing}. To build ahead for a GPU that is not here, give {instead}--target with its compute "
            "capability, as in --target 8.6"
        )


def _check_samples(bundle: Bundle, pictures: Path | None) -> None:
    from selcon_ros.core.grounding.bundle import sample_roles

    if pictures is None and not sample_roles(bundle.manifest.files):
        raise BundleError(
            f"bundle {bundle.path} has no sample pictures to compare on: give --pictures FOLDER, or export "
            "it with --samples FOLDER"
        )


def _print(entry: CachedEngine, built: bool, why_not: str | None, bundle: Path) -> None:
    record = entry.record
    key = record.key
    batch, camera = ":".join(map(str, key.batch)), "×".join(map(str, key.camera))
    click.echo(f"{record.bundle}: {key.kind} {key.version}, {key.precision}, for GPUs of {for_gpus(key)}")
    click.echo(f"batches of {batch} images (least, best, most), camera images up to {camera}")
    counts = sorted(record.layers.items(), key=lambda each: -each[1])
    click.echo(f"layers that compute: {', '.join(f'{count} in {name}' for name, count in counts)}")
    if record.kept:
        more = (
            f" and {len(record.kept) - MAX_LAYERS_SHOWN} more" if len(record.kept) > MAX_LAYERS_SHOWN else ""
        )
        click.echo(
            f"in fp32 because of their range of values: {', '.join(record.kept[:MAX_LAYERS_SHOWN])}{more}"
        )
    if built:
        click.echo(f"built in {record.seconds:.1f} s, {megabytes(record.bytes)}: {entry.path}")
    else:
        click.echo(f"already there, built {record.created}, {megabytes(record.bytes)}: {entry.path}")
    if record.agreement is not None:
        click.echo(f"run on the GPU, from fp32 in ONNX Runtime: {Agreement(**record.agreement)}")
    else:
        click.echo(f"not run here: {why_not}")
        click.echo(f"on the robot, `selcon engine verify {bundle}` runs it and compares it with fp32")
