"""The page that is served: current, read-only, and for this machine alone unless somebody says otherwise."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from terminal import TINY, dropbench

from dropbench.cli.ui import COOKIE, Place, Shelf, server, state_of
from dropbench.errors import UsageError


class Folder:
    """A results folder that somebody adds to, of which a shelf makes pages."""

    def __init__(self) -> None:
        self.runs, self.made = 0, 0

    def shelf(self) -> Shelf:
        return Shelf(self.page, lambda: str(self.runs), lambda: f"{self.runs} of 3 runs have ended")

    def page(self) -> str:
        self.made += 1
        if not self.runs:
            raise UsageError("results holds no runs <yet>")
        return f"<html>{self.runs}</html>"


@pytest.fixture
def serve() -> Iterator[Any]:
    running: list[ThreadingHTTPServer] = []

    def begin(folder: Folder, token: str | None = None) -> str:
        served = server(folder.shelf(), Place("127.0.0.1", 0, token))
        running.append(served)
        threading.Thread(target=served.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{served.server_port}"

    yield begin
    for served in running:
        served.shutdown()
        served.server_close()


def get(address: str, **headers: str) -> tuple[int, str, Any]:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers)) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


def test_the_page_is_made_anew_when_there_are_new_runs_and_only_then(serve: Any) -> None:
    folder = Folder()
    address = serve(folder)
    status, text, _ = get(f"{address}/")
    assert status == 200 and "results holds no runs &lt;yet&gt;" in text and 'http-equiv="refresh"' in text
    folder.runs = 1
    assert get(f"{address}/")[1] == get(f"{address}/")[1] == "<html>1</html>"
    made = folder.made
    folder.runs = 2
    assert get(f"{address}/")[1] == "<html>2</html>" and folder.made == made + 1
    news = json.loads(get(f"{address}/state")[1])
    assert news == {"state": "2", "says": "2 of 3 runs have ended"}


def test_nothing_else_is_there_and_nothing_can_be_changed(serve: Any) -> None:
    address = serve(Folder())
    for path in ("/record.json", "/../../etc/passwd", "/%2e%2e/"):
        assert get(address + path)[0] == 404
    connection = HTTPConnection(address.removeprefix("http://"))
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        connection.request(method, "/")
        answer = connection.getresponse()
        assert answer.status == 501
        answer.read()
        connection.close()


def test_a_page_elsewhere_cannot_pose_as_this_machine(serve: Any) -> None:
    folder = Folder()
    folder.runs = 1
    address = serve(folder)
    assert get(f"{address}/", Host="evil.example:80")[0] == 403
    assert get(f"{address}/", Host="localhost:1234")[0] == 200
    assert get(f"{address}/")[2]["X-Frame-Options"] == "DENY"


def test_a_token_is_asked_for_and_remembered(serve: Any) -> None:
    folder = Folder()
    folder.runs = 1
    address = serve(folder, "secret word")
    assert get(f"{address}/")[0] == get(f"{address}/state")[0] == 403
    assert get(f"{address}/?token=other")[0] == 403
    status, _, headers = get(f"{address}/?token=secret%20word")
    assert status == 200 and "HttpOnly" in headers["Set-Cookie"] and "SameSite=Strict" in headers["Set-Cookie"]
    assert get(f"{address}/state", Cookie=f"a=b; {COOKIE}=secret%20word")[0] == 200


def test_an_address_that_is_taken_says_so(serve: Any) -> None:
    port = int(serve(Folder()).rpartition(":")[2])
    with pytest.raises(UsageError, match=f"port {port}: .*--port {port + 1}"):
        server(Folder().shelf(), Place("127.0.0.1", port))


def test_addresses_as_one_types_them() -> None:
    assert Place("127.0.0.1", 0).address(8765) == "http://127.0.0.1:8765/"
    assert Place("::1", 0, "t").address(1) == "http://[::1]:1/?token=t"
    assert Place("0.0.0.0", 0, "a b&c").address(1) == "http://0.0.0.0:1/?token=a%20b%26c"


def test_the_state_changes_with_every_run_that_ends_and_every_plan(tmp_path: Path) -> None:
    seen = [state_of([tmp_path])]
    for moment, folder in enumerate(("runs", "runs/a", "failed", "failed/c", "plans", "plans/b"), 1):
        (tmp_path / folder).mkdir()
        parent = tmp_path / folder.partition("/")[0]
        os.utime(parent, ns=(moment * 10**9, moment * 10**9))  # file systems whose clock is coarse
        seen.append(state_of([tmp_path]))
    assert len(set(seen)) == len(seen)


@pytest.mark.skipif(os.name != "posix", reason="ended by a signal of POSIX")
def test_the_command_serves_the_page_of_a_folder_until_ctrl_c(bare: Path, capsys: Any) -> None:
    assert dropbench(capsys, "sweep", *TINY, "dropout=none,standard", "seed=0", "--quiet").code == 0
    command = [sys.executable, "-m", "dropbench", "ui", "results", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            address = running.stdout.readline().strip()
            status, page, _ = get(address)
            assert status == 200 and 'id="live"' in page and "connect-src &#39;self&#39;" in page
            assert json.loads(get(f"{address}state")[1])["says"].startswith("2 of 2 runs have ended")
            running.send_signal(signal.SIGINT)
            assert running.wait(timeout=30) == 0
        finally:
            running.kill()


def test_a_wrong_port_is_met_with_a_sentence(capsys: Any) -> None:
    said = dropbench(capsys, "ui", "--port", "99999")
    assert said.code == 2 and "'--port'" in said.err
