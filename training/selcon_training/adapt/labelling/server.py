"""The page's server: for a browser on this machine alone, which must know the token in the page's address."""

from __future__ import annotations

import errno
import hmac
import json
import secrets
import sys
import threading
from collections.abc import Callable
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import cv2

from selcon_ros.core.errors import SelconError
from selcon_ros.core.text import one_line
from selcon_training.adapt.labelling.colours import colour_of, hexadecimal
from selcon_training.adapt.labelling.drawing import MaskDrawing, parse_change
from selcon_training.adapt.labelling.workspace import ConflictError, Workspace
from selcon_training.data.images import read_picture
from selcon_training.errors import DataError

HOST = "127.0.0.1"
PAGE_FOLDER = Path(__file__).parent / "page"
FILES = {
    "": ("label.html", "text/html"),
    "label.js": ("label.js", "text/javascript"),
    "board.js": ("board.js", "text/javascript"),
    "label.css": ("label.css", "text/css"),
}
SHOWN_SIDE, THUMBNAIL_SIDE = 2048, 160
"""The longest side, in pixels, of a photo on the page and in its list."""
MAX_REQUEST_BYTES = 16 << 20
"""Of what a page sends at once."""
WRITE_DELAY_SECONDS = 1.0
"""Seconds between a change and the writing of its masks: a change often follows another."""

POLL_SECONDS = 0.05
"""Seconds after which the server notices that it is to stop."""


class LabelServer(ThreadingHTTPServer):
    """Serves the page of a workspace at `address`. Raises DataError where the port is taken.

    `make` opens the workspace, once the port is ours: a port that is taken leaves no files behind.
    """

    daemon_threads = True
    request_queue_size = 128  # a page asks for many small pictures at once

    def __init__(self, make: Callable[[], Workspace], port: int) -> None:
        self.token = secrets.token_urlsafe(16)
        self.finished = threading.Event()
        """Set when the page has said that all is done."""
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            raise DataError(
                f"--port {port} is {'taken' if error.errno == errno.EADDRINUSE else 'not allowed'}: give "
                "another one, or 0 for any that is free"
            ) from None
        try:
            self.workspace = make()
        except BaseException:
            self.server_close()
            raise
        self.hosts = {f"{name}:{self.server_port}" for name in (HOST, "localhost")}

    @property
    def address(self) -> str:
        """Where the page is, with the token."""
        return f"http://{HOST}:{self.server_port}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that has gone; all else is a bug."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def finish(self) -> None:
        """Let `run` end."""
        self.finished.set()
        self.workspace.changed.set()

    def run(self) -> None:
        """Serve, and write masks, until the page says that all is done. Raises KeyboardInterrupt."""
        threading.Thread(target=self.serve_forever, args=(POLL_SECONDS,), daemon=True).start()
        try:
            while not self.finished.is_set():
                self.workspace.changed.wait()
                self.finished.wait(WRITE_DELAY_SECONDS)
                self.workspace.write_masks()
        finally:
            self.shutdown()
            self.server_close()
            self.workspace.write_masks()


class _Handler(BaseHTTPRequestHandler):
    server: LabelServer
    protocol_version = "HTTP/1.1"
    timeout = 60
    headers_of_all: ClassVar[dict[str, str]] = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_PUT(self) -> None:
        self._answer(self._put)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: the address has the token."""

    def _answer(self, act: Any) -> None:
        place = self._place()
        if place is None:
            self.close_connection = True
            self._send(403, {"error": "open the address that `selcon data label` has printed"})
            return
        try:
            act(*place)
        except ConflictError as error:
            self._send(409, {"error": str(error)})
        except SelconError as error:
            self._send(422, {"error": str(error)})
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            self.close_connection = True
        except OSError as error:
            self._send(500, {"error": one_line(f"cannot write: {error}", 300)})

    def _place(self) -> tuple[str, str] | None:
        """The first and second part of the path below the token; None for a request from elsewhere."""
        hosts, origin = self.server.hosts, self.headers.get("Origin")
        ours = self.headers.get("Host") in hosts and (
            origin is None or origin in {f"http://{host}" for host in hosts}
        )
        _, token, *parts = [*self.path.partition("?")[0].split("/"), ""]
        known = hmac.compare_digest(token.encode(errors="replace"), self.server.token.encode())
        if not ours or not known or not parts:
            return None
        return parts[0], parts[1] if len(parts) > 1 else ""

    def _get(self, what: str, which: str) -> None:
        workspace = self.server.workspace
        if what in FILES and not which:
            name, kind = FILES[what]
            self._send_bytes(200, (PAGE_FOLDER / name).read_bytes(), f"{kind}; charset=utf-8")
        elif what == "photos":
            self._send(200, self._photos())
        elif what == "drawing":
            self._send(200, self._described(self._number(which), workspace.drawing(self._number(which))))
        elif what in ("photo", "thumbnail"):
            photo = workspace.photos[self._number(which)]
            side = SHOWN_SIDE if what == "photo" else THUMBNAIL_SIDE
            self._send_bytes(200, _scaled(workspace.folder / photo.name, side), "image/jpeg")
        else:
            self._send(404, {"error": "no such page"})

    def _put(self, what: str, which: str) -> None:
        size = self.headers.get("Content-Length", "")
        if not size.isdecimal() or len(size) > 20 or int(size) > MAX_REQUEST_BYTES:
            self.close_connection = True
            self._send(
                413, {"error": f"a drawing has at most {MAX_REQUEST_BYTES >> 20} MB: draw with fewer strokes"}
            )
            return
        content, workspace = self.rfile.read(int(size)), self.server.workspace
        if what == "drawing":
            number = self._number(which)
            kept = workspace.change(number, parse_change(content, workspace.actions))
            self._send(200, self._described(number, kept))
        elif what == "finish":
            self.close_connection = True
            self._send(200, {})
            self.server.finish()
        else:
            self._send(404, {"error": "no such page"})

    def _number(self, text: str) -> int:
        if not text.isdecimal() or len(text) > 6 or int(text) >= len(self.server.workspace.photos):
            raise DataError(f"there is no photo {text[:20]}")
        return int(text)

    def _photos(self) -> dict[str, Any]:
        workspace = self.server.workspace
        return {
            "actions": [
                {"name": action, "colour": hexadecimal(colour_of(place))}
                for place, action in enumerate(workspace.actions)
            ],
            "out": str(workspace.out),
            "photos": [
                {"name": photo.name, "state": workspace.state(number), "object": workspace.object_of(number)}
                for number, photo in enumerate(workspace.photos)
            ],
        }

    def _described(self, number: int, drawing: MaskDrawing) -> dict[str, Any]:
        workspace = self.server.workspace
        shown = drawing.model_dump(include={"revision", "object", "nothing", "strokes", "width", "height"})
        return shown | {"state": workspace.state(number), "problem": workspace.problem}

    def _send(self, status: int, value: object) -> None:
        self._send_bytes(status, json.dumps(value).encode(), "application/json")

    def _send_bytes(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        for name, text in {**self.headers_of_all, "Content-Type": kind}.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@lru_cache(maxsize=300)
def _thumbnail(path: Path, _time: int) -> bytes:
    return _jpeg(path, THUMBNAIL_SIDE)


@lru_cache(maxsize=8)
def _photo(path: Path, _time: int) -> bytes:
    return _jpeg(path, SHOWN_SIDE)


def _scaled(path: Path, side: int) -> bytes:
    """A photo as a JPEG whose longer side has at most so many pixels. Raises DataError."""
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    return (_photo if side == SHOWN_SIDE else _thumbnail)(path, changed)


def _jpeg(path: Path, side: int) -> bytes:
    picture = read_picture(path, (side, side))
    scale = min(1.0, side / max(picture.shape[:2]))
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    _, content = cv2.imencode(".jpg", small[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    return content.tobytes()
