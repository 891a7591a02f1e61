#!/bin/bash
# MkDocs: with --quiet, --strict lets a site with a broken link pass.
#
# Versions: mkdocs 1.6.1, Python 3.11, Linux.
# Expected: --strict ends the build with an error wherever it does without --quiet; --quiet only prints less.
# Happens: strict mode counts the warnings that are logged, and --quiet has none of them logged.
# Seen:
#   strict: status 1
#   strict, quiet: status 0
# To do: build strictly without --quiet.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install mkdocs==1.6.1
mkdir "$folder/docs"
printf 'site_name: two words\n' > "$folder/mkdocs.yml"
printf '# Start\n\nSee [the other page](missing.md).\n' > "$folder/docs/index.md"
build() {
    local status=0
    (cd "$folder" && venv/bin/mkdocs build "$@" > log 2>&1) || status=$?
    echo "$status"
}
found="strict: status $(build --strict)
strict, quiet: status $(build --strict --quiet)"
echo "$found"
[ "$found" = "strict: status 1
strict, quiet: status 0" ]
