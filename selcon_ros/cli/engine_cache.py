"""`selcon engine list`, `verify` and `clean`: the engines that are kept."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from selcon_ros.cli.engine_options import (
    EngineOptions,
    cache_option,
    engine_options,
    for_gpus,
    megabytes,
    pictures_in,
    reason_of,
)
from selcon_ros.cli.options import json_option
from selcon_ros.cli.paths import UserPath
from selcon_ros.core.errors import BackendError, SelconError
from selcon_ros.core.outputs.heatmap_agreement import Agreement

if TYPE_CHECKING:
    from selcon_ros.engines.cache import Cache, CachedEngine

NO_RECORD = "not whole: left by a build that did not end, or without its record"


@click.command("list", short_help="Show the engines that are kept.")
@cache_option
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def list_engines(cache: Path | None, as_json: bool) -> None:
    """Show the engines that are kept: what of, for which GPU, and whether they have run and agreed with fp32.

    \b
    Examples:
      selcon engine list
      selcon engine list --cache engines --json
    """
    from selcon_ros.engines.cache import Cache

    store = Cache(cache)
    entries, damaged = store.entries(), _damaged(store)
    if as_json:
        listed = [{"path": str(entry.path), **asdict(entry.record)} for entry in entries]
        faults = {str(path): why for path, why in damaged.items()}
        click.echo(json.dumps({"folder": str(store.folder), "engines": listed, "damaged": faults}, indent=2))
        return
    if entries:
        _print_table(store, entries)
    else:
        click.echo(f"no engines in {store.folder}: selcon engine build BUNDLE")
    for path, why in damaged.items():
        click.echo(f"damaged: {path}: {why}")
    if damaged:
        click.echo("`selcon engine clean` removes what is damaged")


@click.command(short_help="Check the engines of a bundle, and run them.")
@click.argument("bundle", type=UserPath())
@engine_options
@json_option
def verify(
    bundle: Path,
    options: EngineOptions,
    as_json: bool,
) -> None:
    """Check every engine of BUNDLE, or those that the options select, and run it against fp32.

    Is the file whole, the library the one that built it, the GPU one that it is for? Then it answers the
    pictures, and what is found is kept with it; above the tolerance it is removed. Exit code 1: there is no
    engine, or one is wrong or could not be run here.

    \b
    Examples:
      selcon engine verify bundles/mine
      selcon engine verify bundles/mine --kind tensorrt --precision fp16 --json
      selcon engine verify bundles/mine --pictures photos --tolerance 0.005
    """
    from selcon_ros.core.grounding.bundle import load_with_samples
    from selcon_ros.engines.cache import Cache
    from selcon_ros.engines.compatibility import incompatibility
    from selcon_ros.engines.folder import name_prefix
    from selcon_ros.engines.record import GRAPH_KIND
    from selcon_ros.engines.repository import source_digest
    from selcon_ros.engines.repository import verify as run_and_compare

    model = load_with_samples(bundle)
    images = pictures_in(options.pictures)
    store = Cache(options.cache)
    digest = source_digest(model)
    wanted = {name: getattr(options, name) for name in ("kind", "precision", "batch", "camera")}
    results: list[tuple[Path, Agreement | None, str | None]] = []
    for entry in store.entries():
        key = entry.record.key
        selected = all(value in (None, getattr(key, name)) for name, value in wanted.items())
        mine = key.model == digest and key.kind != GRAPH_KIND
        if not mine or not selected or not set(options.targets) <= set(key.compute):
            continue
        reason = reason_of(entry.content) or incompatibility(key, options.device)
        found = None
        if reason is None:
            try:
                record = run_and_compare(
                    model, entry, store, options.device, options.tolerance, images
                ).record
                found = Agreement(**(record.agreement or {}))
            except SelconError as error:
                reason = str(error)
        results.append((entry.path, found, reason))
    # Without its record nothing but its name says whose it is.
    own = name_prefix(model.manifest.name)
    results += [(path, None, NO_RECORD) for path in store.damaged() if path.name.startswith(own)]
    if as_json:
        listed = [
            {"path": str(path), "agreement": found and asdict(found), "reason": reason}
            for path, found, reason in results
        ]
        click.echo(json.dumps(listed, indent=2))
    for path, found, reason in [] if as_json else results:
        said = f"not verified: {reason}" if reason else f"runs and agrees with fp32: {found}"
        click.echo(f"{path.name}: {said}")
    if not results:
        raise BackendError(
            f"no such engine of bundle {bundle} in {store.folder}: selcon engine build {bundle} makes one"
        )
    if any(reason for _, _, reason in results):
        raise SystemExit(1)


@click.command(short_help="Remove engines.")
@click.option("--all", "everything", is_flag=True, help="All engines.")
@click.option("--stale", is_flag=True, help="Engines of other versions than are installed.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@cache_option
@click.option("--json", "as_json", is_flag=True, help="Print what was removed as JSON.")
def clean(everything: bool, stale: bool, yes: bool, cache: Path | None, as_json: bool) -> None:
    """Remove what is damaged, with --stale also what other versions of the libraries built, with --all all.

    Both also remove what was measured on the CPU.

    \b
    Examples:
      selcon engine clean
      selcon engine clean --stale --yes
      selcon engine clean --all --cache engines
    """
    from selcon_ros.engines.cache import Cache

    store = Cache(cache)
    found = _to_remove(store, everything, stale)
    sizes = {path: path.stat().st_size for path in found if path.is_file()}
    if not as_json:
        for path, why in found.items():
            click.echo(f"{path.name} ({megabytes(sizes.get(path, 0))}): {why}")
    if not found:
        click.echo(f"nothing to remove in {store.folder}", err=as_json)
    elif not yes:
        question = f"remove {len(found)} files, {megabytes(sum(sizes.values()))}, of {store.folder}?"
        click.confirm(question, abort=True, err=as_json)
    # Not before: that may have begun since.
    if found and store.building():
        raise BackendError(f"another process builds an engine in {store.folder}: clean when it has ended")
    store.delete(list(found))
    if as_json:
        removed = [
            {"path": str(path), "bytes": sizes.get(path, 0), "why": why} for path, why in found.items()
        ]
        click.echo(json.dumps({"removed": removed, "bytes": sum(sizes.values())}, indent=2))
    elif found:
        click.echo(f"removed {len(found)} files, {megabytes(sum(sizes.values()))}")


def _damaged(store: Cache) -> dict[Path, str]:
    """What is of no use, and why."""
    faults = {path: NO_RECORD for path in store.damaged()}
    return faults | {
        entry.path: reason for entry in store.entries() if (reason := reason_of(entry.content)) is not None
    }


def _to_remove(store: Cache, everything: bool, stale: bool) -> dict[Path, str]:
    """Files and why, an engine's record before it."""
    from selcon_ros.engines.compatibility import stale_timings, version_mismatch

    damaged = _damaged(store)
    found = {path: NO_RECORD for path in store.damaged()}
    for entry in store.entries():
        why = damaged.get(entry.path)
        if why is None and everything:
            why = "an engine"
        elif why is None and stale:
            why = version_mismatch(entry.record.key)
        if why is not None:
            found |= {entry.paths[0]: "its record", entry.path: why}
    timings = store.timings() if everything else stale_timings(store) if stale else []
    choices = store.choices() if everything or stale else []
    found |= dict.fromkeys(choices, "times on the CPU, which are measured again in a second")
    return found | dict.fromkeys(timings, "timings that a library noted while building")


def _print_table(store: Cache, entries: list[CachedEngine]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{store.folder}", title_justify="left")
    for column in ("bundle", "library", "precision", "GPU", "batch", "size", "created", "KLD from fp32"):
        table.add_column(column)
    table.add_column("file", overflow="fold")
    for entry in entries:
        record, key = entry.record, entry.record.key
        table.add_row(
            record.bundle,
            f"{key.kind} {key.version}",
            key.precision,
            for_gpus(key),
            ":".join(map(str, key.batch)),
            megabytes(record.bytes),
            record.created[:16].replace("T", " "),
            "not yet run" if record.agreement is None else f"{record.agreement['kld_mean']:.5f}",
            entry.path.name,
        )
    # In a log or a pipe the table need not fit a window.
    width = None if sys.stdout.isatty() else 240
    Console(highlight=False, markup=False, emoji=False, width=width).print(table)
