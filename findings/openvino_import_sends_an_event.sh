#!/bin/bash
# openvino: its import sends an event over the network from a forked process, and leaves an identifier in ~/intel.
#
# Versions: openvino 2026.4.1, openvino-telemetry 2025.2.0, numpy 2.4.6, Python 3.11, Linux x86_64.
# Expected: importing a library opens no connection and writes nothing to the home folder; its package for telemetry
#   calls itself one "for sending statistics with user's consent".
# Happens: `import openvino` imports its tool for conversion, which sends the event "import" to google-analytics.com,
#   from a process that a thread forks, with an identifier that it makes and keeps in ~/intel. Nobody is asked: only
#   an earlier `opt_in_out --opt_out`, or CI=true in the environment, stops it. Where openvino_telemetry is missing, a
#   stub in openvino takes its place.
# Seen:
#   as installed: sent 1 event, import, from another process: yes; in the home folder: intel/openvino_ga_cid
#   without openvino_telemetry: sent 0 events; in the home folder: nothing
# To do: import openvino while sys.modules["openvino.tools.ovc"] is None, where nothing is converted (it takes a
#   quarter of the time too); or opt out in every home and container.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install openvino==2026.4.1 openvino-telemetry==2025.2.0 numpy==2.4.6
unset CI TF_BUILD JENKINS_URL
cat > "$folder/event.py" <<'PY'
import json
import os
import sys
import time
import urllib.request
from pathlib import Path

sent = Path(sys.argv[1], "sent")


def keep(request):  # in place of the network
    sent.write_text(json.dumps([os.getpid(), request.host, json.loads(request.data)["events"][0]["name"]]))


urllib.request.urlopen = keep
if sys.argv[2] == "without":
    sys.modules["openvino_telemetry"] = None
import openvino  # noqa: E402, F401

time.sleep(3)
events = "0 events"
if sent.exists():
    process, host, name = json.loads(sent.read_text())
    assert host.endswith("google-analytics.com"), host
    events = f"1 event, {name}, from another process: {'yes' if process != os.getpid() else 'no'}"
home = Path.home()
files = sorted(str(each.relative_to(home)) for each in home.rglob("*cid") if each.is_file())
print(f"sent {events}; in the home folder: {', '.join(files) or 'nothing'}")
PY
for how in "as installed" "without openvino_telemetry"; do
    mkdir "$folder/home"
    said=$(HOME="$folder/home" "$folder/venv/bin/python" "$folder/event.py" "$folder" "${how%% *}")
    echo "$how: $said" | tee -a "$folder/seen"
    rm -rf "$folder/home" "$folder/sent"
done
grep -qx "as installed: sent 1 event, import, from another process: yes; in the home folder: intel/openvino_ga_cid" \
    "$folder/seen"
grep -qx "without openvino_telemetry: sent 0 events; in the home folder: nothing" "$folder/seen"
