"""The page's server: who may ask, and what it answers."""

import contextlib
import http.client
import io
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

pytest.importorskip("filelock", reason="filelock is missing: pip install 'selcon_ros[train]'")

from selcon_ros.cli.main import main
from selcon_training.adapt.labelling.server import SHOWN_SIDE, LabelServer
from selcon_training.adapt.labelling.workspace import Workspace
from selcon_training.errors import DataError

STROKE = {"action": "hold", "tool": "polygon", "points": [[3, 3], [40, 3], [3, 40]]}
DRAWING = {"revision": 0, "object": "mug", "nothing": False, "strokes": [STROKE]}


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "photos").mkdir()
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 255, (30, 40, 3), np.uint8))
    noise.resize((5000, 3000)).save(tmp_path / "photos/large.jpg")
    (tmp_path / "photos/damaged.jpg").write_bytes(b"\xff\xd8\xff\xe0 no photo")
    made = Workspace(tmp_path / "photos", tmp_path / "set", ["hold"])
    yield made
    made.close()


@pytest.fixture
def server(workspace):
    made = LabelServer(lambda: workspace, 0)
    thread = threading.Thread(target=made.run)
    thread.start()
    yield made
    made.finish()
    thread.join(10)


def ask(server, path, method="GET", body=None, token=None, **headers):
    """Status, body and headers of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.request(method, f"/{token or server.token}/{path}", body, headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content, dict(answer.getheaders())


def put(server, path, value, **headers):
    status, content, _ = ask(server, path, "PUT", json.dumps(value), **headers)
    return status, json.loads(content)


def test_only_who_has_the_address_may_ask(server):
    port = server.server_port
    status, content, headers = ask(server, "")
    assert status == 200 and b"<canvas" in content and server.token.encode() not in content
    assert (
        headers["Referrer-Policy"] == "no-referrer"
        and "default-src 'self'" in headers["Content-Security-Policy"]
    )
    assert ask(server, "photos", Host=f"localhost:{port}", Origin=f"http://localhost:{port}")[0] == 200
    for refused in (
        ask(server, "photos", token="guess"),
        ask(server, "photos", token="%C3%BC"),
        ask(server, "photos", Host=f"elsewhere.example:{port}"),
        ask(server, "photos", Origin="http://elsewhere.example"),
        ask(server, "drawing/1", "PUT", json.dumps(DRAWING), Origin="null"),
    ):
        assert refused[0] == 403 and b"open the address" in refused[1]


@pytest.mark.parametrize(
    "path", ["label.py", "photo/7", "photo/-1", "photo/1e1", "drawing/", "../server.py", "x"]
)
def test_nothing_else_is_served(server, path):
    status, content, _ = ask(server, path)
    assert status in (404, 422) and json.loads(content)["error"]


def test_a_large_photo_is_made_small_for_the_page(server):
    status, content, _ = ask(server, "photo/1")
    with Image.open(io.BytesIO(content)) as image:
        assert status == 200 and image.size == (SHOWN_SIDE, round(SHOWN_SIDE * 3000 / 5000))
    told = json.loads(ask(server, "drawing/1")[1])
    assert (told["width"], told["height"]) == (5000, 3000)
    status, content, _ = ask(server, "photo/0")
    assert status == 422 and "damaged.jpg" in json.loads(content)["error"]


def test_a_drawing_is_kept_and_its_mask_written_at_full_size(server, tmp_path):
    status, kept = put(server, "drawing/1", DRAWING)
    assert status == 200 and kept["revision"] == 1 and kept["state"] == "done"
    assert json.loads(ask(server, "drawing/1")[1])["strokes"][0]["points"] == STROKE["points"]
    photos = json.loads(ask(server, "photos")[1])["photos"]
    assert photos[1] == {"name": "large.jpg", "state": "done", "object": "mug"}
    status, refused = put(server, "drawing/1", DRAWING | {"strokes": []})
    assert status == 409 and "changed in another page" in refused["error"]
    assert put(server, "finish", "")[0] == 200
    server.finished.wait(10)
    mask = tmp_path / "set/trainset/mask/hold/mug/large.png"
    for _ in range(100):
        if mask.exists():
            break
        threading.Event().wait(0.1)
    with Image.open(mask) as image:
        assert image.size == (5000, 3000)


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ({}, 422),
        (DRAWING | {"strokes": [STROKE | {"action": "fly"}]}, 422),
        (DRAWING | {"object": "../x"}, 422),
    ],
)
def test_what_is_no_drawing_changes_nothing(server, workspace, value, status):
    answer, told = put(server, "drawing/1", value)
    assert answer == status and told["error"] and workspace.state(1) == "open"
    assert ask(server, "drawing/1", "PUT", b"", **{"Content-Length": str(1 << 40)})[0] == 413


def test_a_port_that_is_taken_is_told_and_leaves_no_set_behind(server, workspace, tmp_path):
    def make():
        return Workspace(workspace.folder, tmp_path / "other", ["hold"])

    with pytest.raises(DataError, match=rf"--port {server.server_port} is taken: give another one, or 0"):
        LabelServer(make, server.server_port)
    assert not (tmp_path / "other").exists()


def test_a_closed_terminal_ends_the_command_with_its_masks_written(tmp_path):
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    photos, out = tmp_path / "photos", tmp_path / "set"
    photos.mkdir()
    (tmp_path / "a.png").rename(photos / "a.png")
    command = [sys.executable, "-m", "selcon_ros.cli.main", "data", "label", photos, "--out", out]
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [*command, "--port", "0"], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            told = process.stdout.readline() + process.stdout.readline()
            found = re.search(r"http://([^/]+)(/\S+/)", told)
            connection = http.client.HTTPConnection(found[1], timeout=10)
            connection.request("PUT", f"{found[2]}drawing/0", json.dumps(DRAWING))
            assert connection.getresponse().status == 200
            process.send_signal(signal.SIGHUP)
            told, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 130 and "1 photos with masks" in told
    assert (out / "trainset/mask/hold/mug/a.png").exists()


def test_a_browser_that_goes_away_is_not_told_of(server, capfd):
    begun = f"GET /{server.token}/photos HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\n"
    for sent in ("", "GET /", begun, f"{begun}\r\n"):
        with socket.create_connection(("127.0.0.1", server.server_port)) as connection:
            connection.sendall(sent.encode())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert ask(server, "drawing/1", "PUT", b"", **{"Content-Length": "9" * 5000})[0] == 413
    server.finish()
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and "process_request" in thread.name:
            thread.join(10)
    assert capfd.readouterr().err == ""


def test_many_pictures_may_be_asked_for_at_once(workspace):
    with LabelServer(lambda: workspace, 0) as waiting, contextlib.ExitStack() as opened:
        for _ in range(40):  # nobody takes them yet
            address = ("127.0.0.1", waiting.server_port)
            opened.enter_context(socket.create_connection(address, timeout=10))


def test_an_empty_list_of_actions_is_refused(tmp_path):
    result = CliRunner().invoke(main, ["data", "label", str(tmp_path), "--out", "set", "--action", " ,"])
    assert result.exit_code == 2 and "' ,' names no action" in result.output
