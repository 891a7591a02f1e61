"""A viser server on exactly the address that is asked for, behind the guard, and quiet.

viser's own would take the next port where one is in use, print a banner, share the page through a public
tunnel if a page asks for it, and let everybody in. Written for viser 1.1.1: see `setup.py`.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import socket
from collections.abc import Iterator
from typing import Any

import viser
from viser import _messages
from websockets.asyncio import server as websockets_server

from selcon_ros.core.errors import SelconError
from selcon_ros.view.guard import RequestGuard, protect

ANY_ADDRESS = ("", "0.0.0.0", "::")


class ViewError(SelconError):
    """The page cannot be shown."""


class ViewServer:
    """A running server; `viser` is what the page is made on. Raises ViewError where it cannot listen."""

    def __init__(self, host: str, port: int) -> None:
        sock = _listen(host, port)
        self._host, self.port = host, int(sock.getsockname()[1])
        guard = RequestGuard(host, self.port, f"viser-v{viser.__version__}")
        self._token = guard.token
        try:
            with _served_on(sock, guard), _quiet():
                self.viser: Any = viser.ViserServer(host, self.port, label="selcon view", verbose=False)
        except BaseException:
            sock.close()
            raise
        for message in (_messages.ShareUrlRequest, _messages.ShareUrlDisconnect):
            self.viser._websock_server.unregister_handler(message)
        # Nor could what is no message of a page fill the log.
        loop = self.viser._event_loop
        loop.call_soon_threadsafe(loop.set_exception_handler, lambda loop, context: None)
        gui = self.viser.gui
        gui.configure_theme(dark_mode=True, control_width="large", show_logo=False, show_share_button=False)
        gui.main_panel.dock_right()

    @property
    def address(self) -> str:
        """What to open in a browser; with the token, where there is one."""
        host = socket.gethostname() if self._host in ANY_ADDRESS else self._host
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.port}/" + (f"?token={self._token}" if self._token else "")

    def close(self) -> None:
        """Let go of the port and of every browser."""
        with _quiet():
            self.viser.stop()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=100)
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None) or 0
        # asyncio and socket add words of their own to the system's.
        why = os.strerror(number) if number > 0 else getattr(error, "strerror", None) or error
        raise ViewError(
            f"cannot listen on {host} port {port}: {why}: choose another --port (0: any that is free), "
            "or --host"
        ) from error


@contextlib.contextmanager
def _served_on(sock: socket.socket, guard: RequestGuard) -> Iterator[None]:
    """Within this, a server that is started uses this socket, asks the guard first, and logs nothing."""
    serve = websockets_server.serve
    # What a stranger sends could fill the log: a request or a message that is none ends its connection.
    log = logging.Logger("selcon view")
    log.addHandler(logging.NullHandler())

    def guarded(handler: Any, host: str, port: int, *, process_request: Any, **options: Any) -> Any:
        def process(connection: Any, request: Any) -> Any:
            refusal = guard.refusal(request)
            if refusal is not None:
                return refusal
            response = process_request(connection, request)
            return None if response is None else protect(response)

        return serve(handler, sock=sock, process_request=process, logger=log, **options)

    websockets_server.serve = guarded  # type: ignore[assignment, misc]
    try:
        yield
    finally:
        websockets_server.serve = serve  # type: ignore[misc]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Within this, what is printed is thrown away."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
