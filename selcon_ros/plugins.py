"""What other packages add to this one, by entry points.

Groups:

- `selcon.commands`: a table of subcommands of `selcon`, {name: `selcon_ros.cli.commands.Command`};
- `selcon.encoders`: an encoder's name, and the module that makes it known to timm or open_clip when it is
  imported;
- `selcon.grounders`: `open_vocabulary`, which answers actions outside a bundle's list.

In a clone of the repository, its `setup.cfg` counts: it works there without an installation, and never with
the entry points of an older one. The section `clone.entry_points` has what only a clone has.
"""

from __future__ import annotations

import sys
from configparser import ConfigParser
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[1]
"""Of the clone, where this is one."""
_STUDIES = "experiments"


def plugins(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of `group` by name; none is imported."""
    return {each.name: each for each in entry_points(group=group)} | _of_the_clone(group)


def _of_the_clone(group: str) -> dict[str, EntryPoint]:
    file, training = ROOT / "setup.cfg", ROOT / "training"
    if not (file.is_file() and training.is_dir()):
        return {}
    if str(training) not in sys.path:
        sys.path.insert(0, str(training))
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))  # of experiments/ and benchmarks/, which are not installed
    setup = ConfigParser()
    setup.read(file, encoding="utf-8")
    sections = ["options.entry_points"]
    if _is_the_clones(_STUDIES):
        sections.append("clone.entry_points")
    lines = [line for each in sections for line in setup.get(each, group, fallback="").split("\n")]
    pairs = [tuple(part.strip() for part in line.split("=", 1)) for line in lines if line.strip()]
    return {name: EntryPoint(name, value, group) for name, value in pairs}


def _is_the_clones(package: str) -> bool:
    """Whether importing a package would take the clone's: another one of its name may come before it."""
    found = find_spec(package)
    places = [] if found is None else found.submodule_search_locations or []
    return [Path(each).resolve() for each in places] == [(ROOT / package).resolve()]
