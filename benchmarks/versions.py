"""The versions of selcon_ros that are measured side by side: this clone, and an earlier one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from selcon_ros.core.errors import SelconError

ROOT = Path(__file__).parents[1]
INSPECT_SCRIPT = """
import json
from importlib.util import find_spec
from pathlib import Path
import selcon_ros
def first(*names): return next(name for name in names if find_spec(name))
bundle = Path(selcon_ros.__file__).resolve().parent / "assets" / "tabletop"
print(json.dumps([str(bundle), first("selcon_ros.ros.main", "selcon_ros.ros.grounding_node"),
                  first("selcon_ros.cli.start", "selcon_ros.cli.main")]))
"""


@dataclass(frozen=True)
class Version:
    """An installation of selcon_ros: its name, its interpreter, and the variables that it needs.

    bundle: the packaged one; node, cli: the modules that are run.
    """

    name: str
    python: Path
    environment: dict[str, str]
    bundle: Path
    node: str
    cli: str

    def run(self, arguments: list[str], folder: Path) -> str:
        """Run its interpreter to the end, in a folder where nothing can be imported by chance.

        Returns what it prints. Raises OSError and subprocess.CalledProcessError.
        """
        return subprocess.run(
            [str(self.python), *arguments],
            cwd=folder,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=True,
        ).stdout


def present() -> Version:
    """Return this clone, run by this interpreter."""
    return _inspect("now", Path(sys.executable), {"PYTHONPATH": os.pathsep.join([str(ROOT), *_others()])})


def baseline(python: Path, name: str) -> Version:
    """Return the version that is installed where this interpreter is. Raises SelconError without one."""
    python = python.absolute()  # not what it links to: that has other packages
    # Where ROS comes from wheels, each installation has its own.
    environment = {"PYTHONPATH": os.pathsep.join(_others())}
    if os.environ.get("AMENT_PREFIX_PATH", sys.prefix) == sys.prefix:
        environment["AMENT_PREFIX_PATH"] = str(python.parents[1])
    return _inspect(name, python, environment)


def _others() -> list[str]:
    """The folders that the user lets Python import from, without this clone."""
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return [each for each in named if each and Path(each).resolve() not in (ROOT, ROOT / "training")]


def _inspect(name: str, python: Path, environment: dict[str, str]) -> Version:
    version = Version(name, python, environment, Path(), "", "")
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = version.run(["-c", INSPECT_SCRIPT], Path(folder))
        except (OSError, subprocess.CalledProcessError) as error:
            said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1]
            raise SelconError(f"{python} does not run selcon_ros: {said}") from error
    bundle, node, cli = json.loads(done)
    return replace(version, bundle=Path(bundle), node=node, cli=cli)
