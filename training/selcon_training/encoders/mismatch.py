"""What to say where weights do not fit a network: how many keys, the first few, and the likely cause."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

Shapes = Mapping[str, tuple[int, ...]]
_MAX_KEYS_SHOWN = 4
"""Keys named of each kind: with counts and cause at most 15 lines."""


def mismatch(wanted: Shapes, given: Shapes) -> str | None:
    """Return what is missing, extra and of another shape, in at most 15 lines; None where all fits."""
    missing = [key for key in wanted if key not in given]
    extra = [key for key in given if key not in wanted]
    misshapen = [key for key in wanted if key in given and tuple(given[key]) != tuple(wanted[key])]
    if not (missing or extra or misshapen):
        return None
    counts = {"missing": len(missing), "extra": len(extra), "misshapen": len(misshapen)}
    lines = [f"  {', '.join(f'{count} {kind}' for kind, count in counts.items() if count)}, of {len(wanted)}"]
    cause = _cause(wanted, given, missing, extra, misshapen)
    lines += [f"  {cause}"] if cause else []
    lines += _listed(missing, lambda key: f"missing: {key} {list(wanted[key])}")
    lines += _listed(extra, lambda key: f"extra: {key} {list(given[key])}")
    lines += _listed(
        misshapen, lambda key: f"misshapen: {key} is {list(given[key])}, needed {list(wanted[key])}"
    )
    return "\n".join(lines)


def _listed(keys: Sequence[str], line: Callable[[str], str]) -> list[str]:
    shown = keys if len(keys) <= _MAX_KEYS_SHOWN else keys[: _MAX_KEYS_SHOWN - 1]
    more = len(keys) - len(shown)
    kind = line(keys[0]).partition(":")[0] if keys else ""
    return [f"  {line(key)}" for key in shown] + ([f"  and {more} more {kind}"] if more else [])


def _cause(
    wanted: Shapes, given: Shapes, missing: Sequence[str], extra: Sequence[str], misshapen: Sequence[str]
) -> str | None:
    if not given:
        return "likely cause: the file holds no weights"
    one = next(iter(wanted))
    for place in sorted(key.removesuffix(one) for key in given if key.endswith(f".{one}")):
        if sum(place + key in given for key in wanted) > len(wanted) // 2:
            return f"likely cause: the weights are below '{place}' in the file; save those of that part alone"
    if len(missing) == len(wanted):
        return "likely cause: weights of another architecture"
    if not missing and not extra:
        return "likely cause: the same architecture of another size"
    if len(missing) > len(wanted) // 2:
        return "likely cause: weights of another architecture, or of a part of it"
    return None
