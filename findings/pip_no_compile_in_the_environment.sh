#!/bin/bash
# pip: PIP_NO_COMPILE=1 compiles every module, and PIP_NO_COMPILE=0 none.
#
# Versions: pip 25.3, Python 3.11.
# Expected: an option --no-X is switched on by PIP_NO_X=1, as PIP_NO_DEPS=1 and PIP_NO_INDEX=1 switch theirs on.
# Happens: --no-compile is the opposite of an option that is on, --compile, and the variable's value becomes that option's:
#   1 means compile. Nothing warns. Compiling is what takes most of the time of an installation with large packages.
# Seen:
#   --no-compile: 0 compiled
#   PIP_NO_COMPILE=1: 1533 compiled
#   PIP_NO_COMPILE=0: 0 compiled
# To do: give the flag; in the environment or in pip.conf write 0 or false.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install pip==25.3
count() {
    find "$folder/$1" -name "*.pyc" | wc -l
    rm -rf "${folder:?}/$1"
}
install=("$folder/venv/bin/python" -m pip -q install --no-deps sympy==1.14.0 --target)
"${install[@]}" "$folder/flag" --no-compile
PIP_NO_COMPILE=1 "${install[@]}" "$folder/one"
PIP_NO_COMPILE=0 "${install[@]}" "$folder/zero"
{
    echo "--no-compile: $(count flag) compiled"
    echo "PIP_NO_COMPILE=1: $(count one) compiled"
    echo "PIP_NO_COMPILE=0: $(count zero) compiled"
} | tee "$folder/seen"
grep -qx -- "--no-compile: 0 compiled" "$folder/seen"
grep -qE "^PIP_NO_COMPILE=1: [1-9][0-9]+ compiled$" "$folder/seen"
grep -qx "PIP_NO_COMPILE=0: 0 compiled" "$folder/seen"
