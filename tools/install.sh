#!/bin/bash
# Installs the sources as they are now into a virtual environment that has the dependencies:  tools/install.sh FOLDER
# Not editable: an editable install leaves out share/, where the launch and configuration files are.
set -euo pipefail
# What an earlier build left would be installed again, deleted modules included.
rm -rf build/lib build/bdist.* selcon_ros.egg-info
export PIP_USER=0  # as in make_venv.sh
"$1/bin/python" -m pip --disable-pip-version-check -qq install --no-build-isolation --no-deps --force-reinstall .
