#!/bin/bash
# import-linter, called from Python, turns off every logger that the process has.
#
# Versions: import-linter 2.17, Python 3.11.
# Expected: importlinter.cli.lint_imports(), called in a test, checks the imports and leaves logging alone.
# Happens: it configures logging with logging.config.dictConfig, which disables loggers that exist and are not named
#   (disable_existing_loggers is true by default). What is logged later in that process is lost, without a word:
#   other tests that look for a warning then fail, depending on their order.
# Seen: imports kept: True; disabled: True; of the two warnings, before and after, the first was heard.
# To do: run it in a process of its own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install import-linter==2.17
mkdir "$folder/small"
touch "$folder/small/__init__.py" "$folder/small/low.py"
echo "import small.low" > "$folder/small/high.py"
cat > "$folder/.importlinter" <<'INI'
[importlinter]
root_package = small
[importlinter:contract:layers]
name = layers
type = layers
layers =
    small.high
    small.low
INI
cat > "$folder/lint.py" <<'PY'
import io
import logging

heard = io.StringIO()
logging.basicConfig(stream=heard, format="%(message)s")
log = logging.getLogger("of.a.program")
log.warning("first")
from importlinter.cli import lint_imports

failed = lint_imports(no_cache=True)
log.warning("second")
print(f"imports kept: {not failed}; disabled: {log.disabled}; heard: {heard.getvalue().split()}")
PY
cd "$folder"
PYTHONPATH=. venv/bin/python lint.py | tee seen
grep -qxF "imports kept: True; disabled: True; heard: ['first']" seen
