"""`dropbench ui`: serves the page of a results folder and renews it as runs end. It reads results and never writes."""

from __future__ import annotations

import hmac
import json
import os
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from dropbench.cli.console import Shown
from dropbench.cli.report import built
from dropbench.cli.selection import Selection
from dropbench.errors import UsageError
from dropbench.process import signals

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Addresses that no other machine can reach."""
COOKIE = "dropbench_token"
_STALE = 3.0
"""Seconds after which the line on a running sweep is computed again."""
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True)
class Place:
    """Where the page is served. port: 0 takes any free one. token: needed to see the page; None: anybody who reaches it may."""

    host: str
    port: int
    token: str | None = None

    def address(self, port: int) -> str:
        """Return the address to type into a browser. port: the one that was taken."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{port}/" + (f"?token={quote(self.token, safe='')}" if self.token else "")


def serve(selection: Selection, place: Place, conf: Sequence[Path], *, browse: bool, quiet: bool) -> int:
    """Print the address of the selected runs' page, and serve it until Ctrl-C. Return the exit code, 0.

    If other machines can reach the address and no token was given, a random one is used.

    Raises
    ------
    UsageError
        If a folder that was named does not exist, and if the address is not available.
    """
    from dropbench.report import page, standing
    from dropbench.store import RUNS

    for missing in (path for path in selection.paths() if not os.path.exists(path)):
        raise UsageError(f"there is no folder {missing}; to make it: dropbench sweep study=three_arm results={missing}")
    paths = selection.paths() or [Path("results")]
    roots = list(dict.fromkeys(p if os.path.isdir(p / RUNS) else p.parent.parent for p in paths))

    def says() -> str:
        return str(standing(roots, selection.studies(), datetime.now(UTC)) or "")

    def make() -> str:
        return page(replace(built(selection, conf, arms=True), command=selection.command()), None, live=True)

    if place.token is None and place.host not in LOOPBACK:
        place = replace(place, token=secrets.token_urlsafe(16))
    served = server(Shelf(make, lambda: state_of(roots), says), place)
    shown, address = Shown(quiet, as_json=False), place.address(served.server_port)
    shown.out(address)
    shown.note("Ctrl-C ends it")
    if browse:
        import webbrowser

        webbrowser.open(address)
    with served, suppress(KeyboardInterrupt):
        served.serve_forever()
    signals.answered()
    return 0


@dataclass
class Shelf:
    """A cache of the page, which is made again when the folders have changed.

    Parameters
    ----------
    make : callable
        Returns the page as HTML; raises UsageError if there is nothing to show yet.
    state : callable
        Returns a text that changes when a run or a plan is added to the folders.
    says : callable
        Returns a line on how far a sweep has come; empty if there is none.
    """

    make: Callable[[], str]
    state: Callable[[], str]
    says: Callable[[], str]
    _page: tuple[str, str] = ("", "")
    _said: tuple[float, str] = (-_STALE, "")
    _lock: Lock = field(default_factory=Lock)

    def page(self) -> tuple[str, str]:
        """Return the page and the state that it shows. Raises UsageError, as `make` does, if there is nothing to show yet."""
        with self._lock:
            now = self.state()
            if not self._page[0] or now != self._page[1]:
                self._page = (self.make(), now)
            return self._page

    def news(self) -> dict[str, str]:
        """Return the current state, and a line on how far a sweep has come."""
        with self._lock:
            if time.monotonic() - self._said[0] > _STALE:
                self._said = (time.monotonic(), self.says())
            return {"state": self.state(), "says": self._said[1]}


def state_of(roots: Sequence[Path]) -> str:
    """Return a text that changes whenever a run or a plan is stored in one of these folders."""
    from dropbench.store import FAILED, PLANS, RUNS

    times = []
    for folder in (root / name for root in roots for name in (RUNS, FAILED, PLANS)):
        with suppress(OSError):
            times.append(str(folder.stat().st_mtime_ns))
    return "-".join(times)


def server(shelf: Shelf, place: Place) -> ThreadingHTTPServer:
    """Return a server that does not answer requests yet.

    Raises
    ------
    UsageError
        If the address is not available.
    """

    class Bound(_Handler):
        """The handler for this shelf."""

    Bound.shelf, Bound.token, Bound.names = shelf, place.token, LOOPBACK if place.host in LOOPBACK else ()
    host, port = place.host, place.port
    try:
        return ThreadingHTTPServer((host, port), Bound)
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError(
            f"{host}, port {port}: {why}; choose another one, as in --port {port + 1 if port < 65535 else 0}"
        ) from error


class _Handler(BaseHTTPRequestHandler):
    """Answers GET requests for the page and its state. names: host names that a request may use; empty allows any."""

    shelf: Shelf
    token: str | None
    names: Sequence[str]
    server_version, sys_version = "dropbench", ""

    def do_GET(self) -> None:
        """Answer with the page, or with its state as JSON."""
        path = urlsplit(self.path).path
        if not self._named():
            self._answer(HTTPStatus.FORBIDDEN, "This address is not the one that the page is served at.")
        elif not self._allowed():
            self._answer(HTTPStatus.FORBIDDEN, "Open the address with the token that dropbench ui printed.")
        elif path == "/":
            self._page()
        elif path == "/state":
            self._answer(HTTPStatus.OK, json.dumps(self.shelf.news()), "application/json")
        else:
            self._answer(HTTPStatus.NOT_FOUND, "There is nothing here.")

    do_HEAD = do_GET

    def _page(self) -> None:
        try:
            text, _ = self.shelf.page()
        except UsageError as error:
            text = WAITING.format(says=escape(str(error)))
        self._answer(HTTPStatus.OK, text, "text/html")

    def _named(self) -> bool:
        """Return whether the Host header names this machine, so that a page elsewhere cannot pose as this one."""
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        return not self.names or host in self.names

    def _allowed(self) -> bool:
        if self.token is None:
            return True
        asked = parse_qs(urlsplit(self.path).query).get("token", [""])[0]
        cookies = dict(p.strip().partition("=")[::2] for p in self.headers.get("Cookie", "").split(";"))
        remembered = unquote(cookies.get(COOKIE, ""))
        return any(hmac.compare_digest(self.token.encode(), told.encode()) for told in (asked, remembered))

    def _answer(self, status: HTTPStatus, text: str, kind: str = "text/plain") -> None:
        content = text.encode()
        with suppress(ConnectionError):  # the browser may have closed the connection
            self.send_response(status)
            for name, value in HEADERS.items():
                self.send_header(name, value)
            if self.token is not None and status == HTTPStatus.OK:
                self.send_header(
                    "Set-Cookie", f"{COOKIE}={quote(self.token, safe='')}; HttpOnly; SameSite=Strict; Path=/"
                )
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing, because whoever looks at a page needs no list of its requests."""


WAITING = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="3">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<title>dropbench: waiting for runs</title></head>
<body style="font: 1rem/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem">
<main><h1>Nothing to show yet</h1><p>{says}</p><p>This page looks again every few seconds.</p></main></body></html>
"""
