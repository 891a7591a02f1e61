#!/bin/bash
# Makes a virtual environment with this package's dependencies:  tools/make_venv.sh FOLDER EXTRAS [oldest]
# PYTHON=/path/to/python chooses the interpreter; otherwise the first usable Python 3.10 to 3.13 is taken.
# oldest: each library in the lowest version that setup.py admits and that Python has a wheel of, in Python 3.10 if it is there.
set -euo pipefail
venv=$1
extras=$2
versions=${3:-newest}

if [ -L "$venv" ]; then
    echo "$venv is a link to $(readlink -f "$venv"), which would be emptied. Delete the link, or make the environment there." >&2
    exit 1
fi

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo -n "$@"
    else return 1
    fi
}

usable() {
    command -v "$1" >/dev/null && "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' \
        2>/dev/null
}

python=""
# A version manager's shims may answer "not found" for some names, hence the look into its folder.
first=""
[ "$versions" = newest ] || first="python3.10 $(echo "${HOME:-}"/.pyenv/versions/3.10.*/bin/python3)"
for candidate in ${PYTHON:-$first python3 python3.13 python3.12 python3.11 python3.10 \
        "${HOME:-}"/.pyenv/versions/3.1[0123].*/bin/python3}; do
    if usable "$candidate"; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
    echo "No Python 3.10 to 3.13 found (looked for: ${PYTHON:-python3, python3.13, python3.12, python3.11, python3.10})." >&2
    echo "Install one (Debian, Ubuntu: apt-get install python3 python3-venv) or name it: make PYTHON=/path/to/python3.11" >&2
    exit 1
fi

if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    echo "$python has no venv module: installing python$version-venv"
    exec 9>"${TMPDIR:-/tmp}/selcon_ros_apt_$(id -u).lock"  # system_packages.sh may use apt-get at the same time
    flock 9
    if ! { as_root apt-get update -qq && as_root apt-get install -y -qq "python$version-venv"; }; then
        echo "Could not install it. Run as root: apt-get install python$version-venv" >&2
        exit 1
    fi
    exec 9>&-
fi

echo "Making $venv with $("$python" --version) ($python)"
"$python" -m venv --clear "$venv"
export PIP_USER=0  # a pip.conf with user = true would refuse every installation into an environment
# Modules are compiled when they are first imported: most of them never are. (PIP_NO_COMPILE=1 would not do it.)
install() { "$venv/bin/python" -m pip --disable-pip-version-check -qq install --no-compile "$@"; }
echo "Installing the dependencies of: $extras (a minute or more)"
install "pip>=23.2" "setuptools>=70.1,<80"
if [ "$versions" = oldest ]; then
    install uv
    # uv knows pip's settings by other names.
    if [ -n "${PIP_INDEX_URL:-}" ]; then export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$PIP_INDEX_URL}; fi
    if [ -n "${PIP_EXTRA_INDEX_URL:-}" ]; then export UV_INDEX=${UV_INDEX:-$PIP_EXTRA_INDEX_URL}; fi
    if [ -n "${PIP_FIND_LINKS:-}" ]; then export UV_FIND_LINKS=${UV_FIND_LINKS:-${PIP_FIND_LINKS// /,}}; fi
    if [ -n "${PIP_CERT:-}" ]; then export SSL_CERT_FILE=${SSL_CERT_FILE:-$PIP_CERT}; fi
    "$venv/bin/python" tools/requirements.py "$extras" >"$venv/requirements.txt"
    # The lowest that is there as a wheel: older ones would be compiled, for Pythons that they never knew.
    "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --resolution lowest-direct \
        $(printf -- '--only-binary %s ' numpy opencv-python-headless onnx pillow pyyaml) -r "$venv/requirements.txt"
    exit
fi
case ",$extras," in *,train,*)
    # Exactly this one and first: resolved together with the rest, pip would bring a CUDA build of several gigabytes
    # even where a CPU build is offered.
    install "torch==2.13.0"
    install "torchvision==0.28.*" ;;
esac
install --no-build-isolation ".[$extras]"
