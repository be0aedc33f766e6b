"""Standard streams that are closed, full, left by their reader or of few characters cost no run and end in no traceback."""

from __future__ import annotations

import os
import pty
import select
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from terminal import TINY

HERE = shlex.quote(sys.executable)


def shell(folder: Path, line: str, **environment: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a line of bash in which `dropbench` is this one; pipes give the code of their first."""
    line = line.replace("dropbench", f"{HERE} -m dropbench")
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=folder,
        capture_output=True,
        timeout=120,
        env={**os.environ, **environment},
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def stored(folder: Path) -> int:
    return len(list((folder / "results" / "runs").glob("[!.]*")))


LOST = "Error: standard output could not be written: "


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two stored runs."""
    folder = tmp_path_factory.mktemp("trained")
    assert shell(folder, f"dropbench sweep {shlex.join(TINY)} 'dropout=none,standard' seed=0")[0] == 0
    return folder


@pytest.mark.parametrize(
    ("command", "redirected", "code", "why"),
    [
        ("sweep execute.workers=2", "| true", 1, "the program that reads it has ended"),
        ("train --json", "| true", 1, "the program that reads it has ended"),
        ("sweep execute.workers=1", ">&-", 1, "it is closed"),
        ("sweep --json", ">/dev/full", 1, "the disk is full"),
        ("sweep execute.workers=2", "2>&-", 0, None),
        ("train", "2>/dev/full", 0, None),
        ("sweep execute.workers=2", ">&- 2>&- <&-", 1, None),
    ],
)
def test_training_goes_on_and_the_exit_code_tells(
    tmp_path: Path, command: str, redirected: str, code: int, why: str | None
) -> None:
    """The reader has left long before there is anything to read."""
    seeds = "seed=0,1" if "sweep" in command else "seed=0"
    found, _, err = shell(tmp_path, f"dropbench {command} {shlex.join(TINY)} {seeds} {redirected}")
    assert (found, stored(tmp_path)) == (code, 2 if "sweep" in command else 1)
    assert "Traceback" not in err and err.count("Error: ") == (why is not None)
    if why is not None:
        assert err.splitlines()[-1] == f"{LOST}{why}; the runs that were trained are stored"


def test_a_reader_that_leaves_ends_what_only_tells(trained: Path) -> None:
    """As other programs do: with the code of one that SIGPIPE ended, and without a word."""
    for command in ("report", "list", "--help"):
        assert shell(trained, f"dropbench {command} | true")[::2] == (141, ""), command
    for command in ("report --format csv", "--version", "train --cfg"):
        code, _, err = shell(trained, f"dropbench {command} >/dev/full")
        assert (code, err) == (1, f"{LOST}the disk is full\n"), command
    # Nothing of a result is lost where it goes to a file, or where there is none.
    assert shell(trained, "dropbench report --out table.txt >&-")[::2] == (0, "written to table.txt\n")
    assert "none" in (trained / "table.txt").read_text(encoding="utf-8")
    assert shell(trained, "dropbench report --quiet >/dev/full") == (0, "", "")
    assert shell(trained, "dropbench train model=mpl 2>/dev/full") == (2, "", "")


def test_characters_that_a_terminal_lacks(trained: Path) -> None:
    """They have stand-ins, and columns stay below each other; a file is UTF-8 whatever the terminal is."""
    wide = shell(trained, "dropbench report --out utf.txt --wide; dropbench report", LC_ALL="C.UTF-8")[1].splitlines()
    assert any("─" in line for line in wide)
    for encoding, settings in {
        "ascii": {"PYTHONIOENCODING": "ascii"},
        "cp1252": {"PYTHONIOENCODING": "cp1252"},
        "POSIX": {"LC_ALL": "POSIX", "LANG": ""},
    }.items():
        line = "dropbench report --out other.txt --wide && dropbench report >out && dropbench --help >>out"
        code, _, err = shell(trained, line, **settings)
        assert (code, err) == (0, "written to other.txt\n")
        said = (trained / "out").read_bytes()
        assert said.isascii() == (encoding == "ascii")
        table = said.decode("utf-8" if encoding == "POSIX" else "latin-1").splitlines()[: len(wide)]
        assert "".join(table).count("?") == "".join(wide).count("?"), "no character is missing"
        assert [len(t) for t in table[1:4]] == [len(w) for w in wide[1:4]]
        assert (trained / "other.txt").read_bytes() == (trained / "utf.txt").read_bytes()


VARIABLES = [
    {"TERM": "dumb", "COLUMNS": "0", "LINES": "-1", "TERMINAL_WIDTH": "abc", "NO_COLOR": "1", "CLICOLOR": "0"},
    {"TERM": "", "COLUMNS": "-5", "LINES": "x", "TTY_COMPATIBLE": "0", "TERMINAL_WIDTH": "0", "COLORTERM": "x"},
    {
        "TERM": "no-such",
        "COLUMNS": "²",
        "GITHUB_ACTIONS": "true",
        "LINES": "1000000",
        "TTY_COMPATIBLE": "1",
        "TTY_INTERACTIVE": "1",
    },
    {
        "FORCE_COLOR": "1",
        "CLICOLOR_FORCE": "1",
        "PY_COLORS": "1",
        "COLUMNS": "100000",
        "LINES": "1",
        "UNICODE_VERSION": "x",
    },
]


@pytest.mark.parametrize("variables", VARIABLES, ids=range(len(VARIABLES)))
def test_what_the_environment_says_of_terminals(trained: Path, variables: dict[str, str], tmp_path: Path) -> None:
    """No run is lost, and no live display is written into a log, whatever is said of colours."""
    words = shlex.join([*TINY, f"results={tmp_path / 'results'}"])
    code, _, err = shell(trained, f"dropbench sweep {words} seed=0,1 execute.workers=1", **variables)
    assert code == 0 and stored(tmp_path) == 2
    assert "Traceback" not in err and "\x1b" not in err and "\r" not in err
    for command in ("report", "sweep --help"):
        code, out, err = shell(trained, f"dropbench {command}", **variables)
        assert (code, err) == (0, ""), err
        assert len(out.splitlines()) < 300 and max(map(len, out.splitlines())) < 1200


def test_what_the_environment_says_of_plots_and_folders(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    words = shlex.join([*TINY, f"results={tmp_path / 'results'}"])
    told = {
        "MPLBACKEND": "garbage",
        "MPLCONFIGDIR": "/proc/nowhere",
        "HOME": "/proc/nowhere",
        "XDG_CACHE_HOME": str(tmp_path / "file"),
        "TMPDIR": "/proc/nowhere",
        "PYTHONWARNINGS": "error",
        "DISPLAY": ":99",
        "QT_QPA_PLATFORM": "garbage",
    }
    code, _, err = shell(trained, f"dropbench sweep {words} seed=0,1 execute.workers=2", **told)
    assert code == 0 and stored(tmp_path) == 2 and "Traceback" not in err, err
    figures = f"dropbench report --figures {tmp_path}/figures --format html --out {tmp_path}/page.html"
    code, _, err = shell(trained, figures, **told)
    assert code == 0 and "Traceback" not in err and "Error" not in err, err
    assert (tmp_path / "page.html").stat().st_size > 1000
    code, _, err = shell(trained, "unset HOME XDG_CACHE_HOME; dropbench train " + words + " seed=3")
    assert code == 0 and "Traceback" not in err


def on_a_terminal(folder: Path, line: str, **environment: str) -> tuple[int, str, str]:
    """Exit code, what is written on a terminal that is its standard error, and on its standard output, a pipe."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["bash", "-c", line.replace("dropbench", f"{HERE} -m dropbench")],
        cwd=folder,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", **environment},
        start_new_session=True,
    )
    os.close(theirs)
    screen, output = b"", b""
    assert process.stdout is not None
    left = [ours, process.stdout.fileno()]
    while left:
        for file in select.select(left, [], [], 120)[0]:
            try:
                some = os.read(file, 65536)
            except OSError:  # a terminal that nobody holds any more
                some = b""
            if not some:
                left.remove(file)
            elif file == ours:
                screen += some
            else:
                output += some
    os.close(ours)
    process.stdout.close()
    return process.wait(timeout=60), screen.decode(), output.decode()


def test_the_bar_is_for_a_terminal_that_can_draw_it(tmp_path: Path) -> None:
    words = f"dropbench sweep {shlex.join(TINY)} execute.workers=1 --json "
    code, screen, out = on_a_terminal(tmp_path, words + "seed=0,1")
    assert code == 0 and out.startswith("{") and "\x1b" not in out
    assert "━" in screen and "\x1b[?25h" in screen  # a bar, and the cursor is there again
    for seed, variables in enumerate([{"TERM": "dumb"}, {"TERM": ""}, {"PYTHONIOENCODING": "ascii"}], 2):
        code, screen, out = on_a_terminal(tmp_path, f"{words} seed={seed},{seed + 10}", **variables)
        assert code == 0 and out.startswith("{")
        assert screen.isascii() and ("\x1b" in screen) == ("TERM" not in variables)
