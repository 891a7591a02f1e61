"""Whether an engine, or what it was built with, still fits this machine and its libraries."""

from __future__ import annotations

from pathlib import Path

from selcon_ros.backends.cuda import gpu
from selcon_ros.backends.tensorrt_library import LIBRARIES
from selcon_ros.core.errors import BackendError
from selcon_ros.engines.cache import Cache
from selcon_ros.engines.prepared_graph import GRAPH_VERSION
from selcon_ros.engines.record import ANY_GPU, GRAPH_KIND, Key


def incompatibility(key: Key, device: int = 0) -> str | None:
    """Return why an engine cannot run on this machine, None where it can."""
    if (why := version_mismatch(key)) is not None:
        return why
    try:
        LIBRARIES[key.kind].load()
        here = gpu(device)
    except BackendError as error:
        return str(error)
    if here.compute not in key.compute:
        return f"it is for GPUs of {', '.join(key.compute)}, {here.name} is {here.compute}"
    if key.gpu not in (ANY_GPU, here.name):
        return f"its kernels were chosen on {key.gpu}, this is {here.name}"
    return None


def version_mismatch(key: Key) -> str | None:
    """Return which other version than the installed one built an engine, None where none did."""
    library = LIBRARIES.get(key.kind)
    if key.graph != GRAPH_VERSION or (library is None and key.kind != GRAPH_KIND):
        return "it was built by another version of selcon_ros"
    if library is None:
        return None
    if library.is_installed and (version := library.load().__version__) != key.version:
        return f"it was built by {library.title} {key.version}, installed is {version}"
    return None


def stale_timings(cache: Cache) -> list[Path]:
    """Return the timing caches of other versions than the installed ones."""
    usable = tuple(
        f"{each.name}-{each.load().__version__}-" if each.is_installed else f"{each.name}-"
        for each in LIBRARIES.values()
    )
    return [path for path in cache.timings() if not path.name.startswith(usable)]
