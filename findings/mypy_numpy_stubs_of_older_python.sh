#!/bin/bash
# mypy and numpy 2.5: for an older Python, ndarray.max() without arguments is an error, and no stub is said to be at fault.
#
# Versions: numpy 2.5.5, mypy 2.4.1, Python 3.13 (numpy 2.5 needs 3.12), Linux x86_64.
# Expected: a program that is checked for the oldest Python that it supports (python_version in its settings) is
#   checked with numpy's stubs as for the newest one; or mypy says that the stubs are not for that Python.
# Happens: with --python-version 3.10, the overloads of max, min, argmax, ... that take no argument are gone, and every
#   call of them is an error in the program. numpy 2.4's stubs are read well for both.
# Seen:
#   numpy 2.5.5, as for 3.13: Success
#   numpy 2.5.5, as for 3.10: All overload variants of "max" of "ndarray" require at least one argument
#   numpy 2.4.6, as for 3.10: Success
# To do: numpy<2.5 where types are checked for Python 3.10 or 3.11.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.13}" -m venv "$folder/venv"
cat > "$folder/largest.py" <<'PY'
import numpy as np
from numpy.typing import NDArray


def largest(values: NDArray[np.float32]) -> float:
    return float(values.max())
PY
cd "$folder"
check() {
    venv/bin/mypy --strict --python-version "$2" largest.py > said 2>&1 || true
    said=$(sed -n '1 { s/.*error: //; s/ *\[.*//; s/:.*//; p }' said)
    echo "numpy $1, as for $2: $said" | tee -a seen
}
venv/bin/pip -q install --no-compile numpy==2.5.5 mypy==2.4.1
check 2.5.5 3.13
check 2.5.5 3.10
venv/bin/pip -q install --no-compile numpy==2.4.6
check 2.4.6 3.10
grep -qx "numpy 2.5.5, as for 3.13: Success" seen
grep -qx 'numpy 2.5.5, as for 3.10: All overload variants of "max" of "ndarray" require at least one argument' seen
grep -qx "numpy 2.4.6, as for 3.10: Success" seen
