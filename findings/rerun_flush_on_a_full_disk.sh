#!/bin/bash
# rerun: after its file could not be written, flush() with a timeout sometimes does not return.
#
# Versions: rerun-sdk 0.41.0, Python 3.11, Linux. It needs 1 GB in the folder for temporary files.
# Expected: RecordingStream.flush(timeout_sec=5) returns or raises within about five seconds, as it says.
# Happens: where the writer of the file ends while flush() waits for it, flush() waits on. Most times it raises
#   "File-writer thread shut down prematurely" at once.
# Seen, of up to 60 tries (the kernel refuses files of more than 100 kB; a try is given 20 seconds):
#   a flush of 5 seconds that did not return in 20: yes (try 9)
# To do: keep room on the disk, flush in a thread that may be left, and do not wait for it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install --no-compile rerun-sdk==0.41.0
cat > "$folder/flush.py" <<'PY'
import resource
import sys

import numpy as np
import rerun as rr

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
recording = rr.RecordingStream("full")
recording.save(sys.argv[1])
noise = np.random.default_rng(0).integers(0, 255, (240, 320), np.uint8)
try:
    for number in range(40):
        recording.set_time("frame", sequence=number)
        for place in range(12):
            recording.log(f"picture/{place}", rr.Image(noise[: 20 * (place + 1)], "L"))
        recording.flush(timeout_sec=5)
except RuntimeError as error:
    print(error)
PY
hung=no
for try in $(seq 60); do
    status=0
    HOME=$folder timeout -s KILL 20 "$folder/venv/bin/python" "$folder/flush.py" "$folder/$try.rrd" \
        > "$folder/said" 2>&1 || status=$?
    if [ "$status" = 137 ]; then
        hung=yes
        break
    fi
done 2> /dev/null
echo "a flush of 5 seconds that did not return in 20: $hung (try $try)"
[ $hung = yes ]
