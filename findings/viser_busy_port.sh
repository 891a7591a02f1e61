#!/bin/bash
# viser: a server for a port that is in use listens on the next free one, without a word.
#
# Versions: viser 1.1.1, websockets 16.1.1, Python 3.11, Linux.
# Expected: an error, as from other servers: who opens the port that was asked for sees somebody else's page.
# Happens: ViserServer returns and listens on another port, which only its banner and get_port() tell. The banner is
#   printed with verbose=False, too. Without a host it listens on all addresses of the machine.
# Seen:
#   the port that is in use was given: False
#   lines printed with verbose=False: 6
#   default host: 0.0.0.0
# To do: make the socket ourselves and have viser use it (selcon_ros/view/server.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install viser==1.1.1 websockets==16.1.1 numpy==2.2.6
cat > "$folder/case.py" <<'EOF'
import contextlib
import inspect
import io
import socket

import viser

taken = socket.create_server(("127.0.0.1", 0))
port = taken.getsockname()[1]
with contextlib.redirect_stdout(io.StringIO()) as printed:
    server = viser.ViserServer("127.0.0.1", port, verbose=False)
print(f"the port that is in use was given: {server.get_port() == port}")
print(f"lines printed with verbose=False: {len(printed.getvalue().splitlines())}")
print(f"default host: {inspect.signature(viser.ViserServer).parameters['host'].default}")
with contextlib.redirect_stdout(io.StringIO()):
    server.stop()
EOF
found=$("$folder/venv/bin/python" "$folder/case.py")
echo "$found"
[ "$found" = "the port that is in use was given: False
lines printed with verbose=False: 6
default host: 0.0.0.0" ]
