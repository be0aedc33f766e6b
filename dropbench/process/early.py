"""Ctrl-C in the command's first moments, while its imports run: the process ends without a traceback.

`signals` installs the command's own handlers later. To import this module is enough, so that it can be the first import. A
program that only imports dropbench keeps its handlers.
"""

from __future__ import annotations

import signal
import sys

_words = [*sys.orig_argv[1:3], "", ""]
_is_command = _words[:2] == ["-m", "dropbench"] or _words[0].replace("\\", "/").endswith("/dropbench")
if _is_command and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
