"""Prints what setup.py requires, with extras, one a line:  python tools/requirements.py EXTRA,EXTRA"""

import sys
from pathlib import Path

import setuptools  # noqa: F401  (brings distutils, which Python 3.12 has no more)

from distutils.core import run_setup  # isort: skip

if __name__ == "__main__":
    package = run_setup(str(Path(__file__).parents[1] / "setup.py"), stop_after="init")
    needed = list(package.install_requires)  # type: ignore[attr-defined]
    for extra in filter(None, sys.argv[1].split(",")):
        needed += package.extras_require[extra]  # type: ignore[attr-defined]
    print("\n".join(needed))
