"""Signals: the first is noted, the second ends it, and those after are ignored."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from dropbench.process.signals import SIGNALS
from dropbench.process.stop import Stop, listening

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_is_noted_and_rings_the_bell(number: int) -> None:
    with listening(Stop()) as stop:
        assert not stop() and not stop.bell.poll()
        os.kill(os.getpid(), number)
        assert stop() and stop.signal == number and not stop.at_once
        with pytest.raises(KeyboardInterrupt):
            stop.wait(1000.0)  # for as long as that only where nobody has rung


def test_the_second_interrupts_and_twenty_more_do_nothing() -> None:
    with pytest.raises(KeyboardInterrupt), listening(Stop()) as stop:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
    assert stop.at_once and stop.signal == signal.SIGINT
    for _ in range(20):
        os.kill(os.getpid(), signal.SIGINT)


def test_what_was_there_before_is_there_after() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with listening(Stop()):
        assert signal.getsignal(signal.SIGTERM) not in before
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_signal_that_was_to_be_ignored_is() -> None:
    """As under `nohup`, and Ctrl-C for what a script has put in the background."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with listening(Stop()) as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        assert not stop()


def test_in_a_thread_of_somebody_s_program_nothing_is_changed() -> None:
    seen: list[bool] = []

    def inside() -> None:
        with listening(Stop()) as stop:
            seen.append(stop())

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert seen == [False]


def test_a_notice_goes_to_standard_error_even_where_that_is_closed() -> None:
    code = (
        "import os, signal, sys\nfrom dropbench.process.stop import Stop, listening\n"
        "if sys.argv[1:]: os.close(2)\n"
        "with listening(Stop()) as stop:\n os.kill(os.getpid(), signal.SIGINT)\n print(stop.signal)"
    )
    for closed in ((), ("closed",)):
        done = subprocess.run([sys.executable, "-c", code, *closed], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == str(int(signal.SIGINT))
        assert ("Once more stops at once" in done.stderr) is not bool(closed)


def test_its_time_may_be_over() -> None:
    soon = Stop(time.monotonic() + 0.05)
    assert not soon() and 0 < soon.left < 0.06
    with pytest.raises(KeyboardInterrupt):
        soon.wait(1000.0)  # for as long as that only where no time is set
    assert soon() and soon.signal is None
    assert Stop().left == float("inf")
