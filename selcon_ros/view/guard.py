"""Who may see the page: decided for each request, before anything of viser sees it.

On this machine alone, everybody who can reach the address: a foreign web page cannot, for its browser says
who asks (Host and Origin). On other addresses, who has opened the page with its token once, which then is a
cookie.
"""

from __future__ import annotations

import contextlib
import hmac
import http
import ipaddress
import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from selcon_ros.core.text import quoted

PROTECTION_HEADERS = {
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""Headers of every answer: no other page shows ours within itself, where a click could be led astray."""


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own, which no other machine reaches."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.rstrip(".").lower() == "localhost"


class RequestGuard:
    """Answers the requests that are not let through."""

    def __init__(self, host: str, port: int, protocol: str) -> None:
        """Make the `token`: "" where none is needed, because the address is this machine's alone.

        `protocol` is the one that websockets must speak.
        """
        self._cookie, self._protocol = f"selcon_view_{port}", protocol
        self._local = is_loopback(host)
        self.token = "" if self._local else secrets.token_urlsafe(18)

    def refusal(self, request: Request) -> Response | None:
        """Return the answer to a request that is not let through; None for one that is."""
        headers = request.headers
        hosts, origins = headers.get_all("Host"), headers.get_all("Origin")
        if len(hosts) != 1:
            return _answer(http.HTTPStatus.BAD_REQUEST, "one Host header is needed")
        name = _host(f"//{hosts[0]}")[0]
        if self._local and not is_loopback(name):
            return _answer(
                http.HTTPStatus.FORBIDDEN,
                f"this page is for this machine, not for {quoted(name)}: open it as localhost or 127.0.0.1",
            )
        if any(_host(origin)[1] != hosts[0] for origin in origins):
            return _answer(http.HTTPStatus.FORBIDDEN, "another web page may not use this one")
        if self.token and (answer := self._ask_for_token(request)) is not None:
            return answer
        if headers.get("Upgrade", "").lower() == "websocket":
            offered = ",".join(headers.get_all("Sec-WebSocket-Protocol")).split(",")
            if self._protocol not in [each.strip() for each in offered]:
                return _answer(http.HTTPStatus.BAD_REQUEST, "the page is of another version: load it again")
        return None

    def _ask_for_token(self, request: Request) -> Response | None:
        cookies = SimpleCookie()
        with contextlib.suppress(CookieError):
            cookies.load("; ".join(request.headers.get_all("Cookie")))
        if self._cookie in cookies and self._is_token(cookies[self._cookie].value):
            return None
        given = parse_qs(urlsplit(request.path).query).get("token", [""])[0]
        if not self._is_token(given):
            return _answer(
                http.HTTPStatus.UNAUTHORIZED,
                "open the page with its token: the address that selcon view shows",
            )
        # Not a redirection: a browser that came from elsewhere would not send a strict cookie along.
        page = '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=/">'
        answer = _answer(http.HTTPStatus.OK, page, "text/html; charset=utf-8")
        answer.headers["Set-Cookie"] = f"{self._cookie}={self.token}; HttpOnly; SameSite=Strict; Path=/"
        return answer

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(errors="replace"), self.token.encode())


def _host(address: str) -> tuple[str, str]:
    """Return the host of an address, without and with its port; "" for what is no address."""
    try:
        parts = urlsplit(address)
        return parts.hostname or "", parts.netloc
    except ValueError:
        return "", ""


def protect(response: Response) -> Response:
    """Add the headers of `PROTECTION_HEADERS`."""
    for name, value in PROTECTION_HEADERS.items():
        if name not in response.headers:
            response.headers[name] = value
    return response


def _answer(status: http.HTTPStatus, text: str, kind: str = "text/plain; charset=utf-8") -> Response:
    body = f"{text}\n".encode()
    headers = Headers({"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close"})
    return protect(Response(status, status.phrase, headers, body))
