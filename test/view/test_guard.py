"""Who may see the page, at the level of requests: no browser is needed to knock."""

from __future__ import annotations

import gc
import socket
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPResponse

import pytest

pytest.importorskip("viser", reason="viser is missing: pip install 'selcon_ros[view]'")

import msgspec
import viser
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from selcon_ros.view.guard import is_loopback
from selcon_ros.view.server import ViewError, ViewServer

UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    "Sec-WebSocket-Protocol": f"viser-v{viser.__version__}",
}


@pytest.fixture(scope="module")
def local() -> Iterator[ViewServer]:
    server = ViewServer("127.0.0.1", 0)
    yield server
    server.close()


@pytest.fixture(scope="module")
def public() -> Iterator[ViewServer]:
    server = ViewServer("0.0.0.0", 0)
    yield server
    server.close()


def get(server: ViewServer, path: str = "/", **headers: str) -> HTTPResponse:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    host = headers.pop("Host", f"127.0.0.1:{server.port}")
    connection.putrequest("GET", path, skip_host=True)
    for name, value in {"Host": host, **headers}.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    return connection.getresponse()


def test_the_page_is_served_and_no_other_page_may_frame_it(local: ViewServer) -> None:
    answer = get(local)
    assert answer.status == 200 and b"<html" in answer.read()
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:8080"])
def test_this_machine_under_its_names_also_by_a_forwarded_port(local: ViewServer, host: str) -> None:
    assert get(local, Host=host).status == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1:8080", "[::1", ""])
def test_a_foreign_name_that_leads_here_is_refused(local: ViewServer, host: str) -> None:
    assert get(local, Host=host).status in (400, 403)


def test_a_foreign_page_cannot_open_the_websocket(local: ViewServer) -> None:
    own = f"http://127.0.0.1:{local.port}"
    assert get(local, Origin=own, **UPGRADE).status == 101
    for origin in ("http://evil.example", "http://127.0.0.1:1", "null", "http://[::1"):
        assert get(local, Origin=origin, **UPGRADE).status == 403, origin


def test_a_page_of_another_version_is_refused(local: ViewServer) -> None:
    assert get(local, **UPGRADE | {"Sec-WebSocket-Protocol": "viser-v0.0.1"}).status == 400


def test_without_the_token_nothing_is_served_on_other_addresses(public: ViewServer) -> None:
    token = public.address.partition("?token=")[2]
    for path in ("/", "/?token=", f"/?token={token}x", "/?token=%C3%BC"):
        assert get(public, path).status == 401, path
    with socket.create_connection(("127.0.0.1", public.port), timeout=30) as connection:
        connection.sendall(b"GET /?token=\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 401 ")
    assert get(public, **UPGRADE).status == 401
    welcome = get(public, f"/?token={token}")
    cookie = welcome.headers["Set-Cookie"]
    assert welcome.status == 200 and "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert b"<html" not in welcome.read()
    pair = cookie.partition(";")[0]
    assert get(public, Cookie=pair).status == 200
    assert get(public, Cookie=pair, **UPGRADE).status == 101
    assert get(public, Cookie=pair, Origin="http://evil.example", **UPGRADE).status == 403
    assert get(public, Cookie=f"{pair}x").status == 401


def test_a_port_that_is_in_use_is_told_and_no_other_is_taken(local: ViewServer) -> None:
    with pytest.raises(ViewError, match=f"port {local.port}: Address already in use: choose another --port"):
        ViewServer("127.0.0.1", local.port)


def test_addresses_that_cannot_be_listened_on() -> None:
    with pytest.raises(ViewError, match="cannot listen on nowhere.invalid port 0"):
        ViewServer("nowhere.invalid", 0)


def test_nothing_is_printed_whatever_is_sent(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    server = ViewServer("127.0.0.1", 0)
    for data in (b"\x00" * 1000, b"GET / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
    slider = server.viser.gui.add_slider("threshold", 0.0, 1.0, 0.1, 0.5)
    update = {"type": "GuiUpdateMessage", "uuid": slider._impl.uuid, "updates": {"value": "none"}}
    for message in (
        b"none",
        "none",
        msgspec.msgpack.encode(update),
        msgspec.msgpack.encode({"type": "None"}),
    ):
        address = f"ws://127.0.0.1:{server.port}"
        with connect(address, subprotocols=[Subprotocol(f"viser-v{viser.__version__}")]) as page:
            page.send(message)
            with suppress(ConnectionClosed, TimeoutError):
                while page.recv(timeout=1):  # until the server has had its say
                    pass
    assert get(server).status == 200 and slider.value == 0.5
    gc.collect()  # asyncio speaks of what failed when it is let go of
    server.close()
    assert capfd.readouterr() == ("", "")
    assert [each.message for each in caplog.records if each.levelname in ("WARNING", "ERROR")] == []


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("localhost", True),
        ("127.0.0.2", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_which_addresses_are_this_machine_alone(name: str, own: bool) -> None:
    assert is_loopback(name) is own
