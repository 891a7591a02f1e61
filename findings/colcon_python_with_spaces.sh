#!/bin/bash
# colcon: what it builds with a Python whose path has a space cannot be sourced in bash.
#
# Versions: colcon-core 0.21.3, colcon-bash 0.5.0, colcon-python-setup-py 0.2.9, Python 3.11.
# Expected: install/local_setup.bash adds the package to the environment, as with any other Python.
# Happens: it runs $_colcon_python_executable without quotes, so bash looks for a program of the path's first word. The
#   package is not added.
# Seen:
#   plain: sourced, thing/bin on PATH
#   with space: line 106: .../with: No such file or directory
# To do: keep the workspace and its virtual environment in a folder without spaces.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder/src/thing/thing"
touch "$folder/src/thing/thing/__init__.py"
echo 'def main(): pass' >"$folder/src/thing/thing/run.py"
cat >"$folder/src/thing/setup.py" <<'END'
from setuptools import setup

setup(name="thing", version="1", packages=["thing"], entry_points={"console_scripts": ["thing = thing.run:main"]})
END
build() {
    "${PYTHON:-python3}" -m venv "$folder/$1"
    "$folder/$1/bin/python" -m pip -q install "setuptools<80" \
        colcon-core==0.21.3 colcon-bash==0.5.0 colcon-python-setup-py==0.2.9 colcon-recursive-crawl==0.2.3
    (cd "$folder" && "$folder/$1/bin/python" -m colcon --log-base /dev/null build --base-paths src \
        --build-base "build_$1" --install-base "install_${1// /_}" >/dev/null)
    said=$(bash -c "source '$folder/install_${1// /_}/local_setup.bash' && echo \"\$PATH\"" 2>&1)
    if grep -q "thing/bin" <<<"$said"; then echo "$1: sourced, thing/bin on PATH"
    else echo "$1: $(grep -o "line [0-9]*: .*" <<<"$said" | head -1)"; fi
}
build "plain" | tee "$folder/seen"
build "with space" | tee -a "$folder/seen"
grep -qx "plain: sourced, thing/bin on PATH" "$folder/seen"
grep -q "^with space: line [0-9]*: .*/with: No such file or directory" "$folder/seen"
