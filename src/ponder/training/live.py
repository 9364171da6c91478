"""One calm line that says how a run is doing; plain lines where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TextIO

PLAIN_LINE_EVERY_S = 5.0
"""Without a terminal: at most one line in so many seconds, and the last one."""


class LiveLine:
    """Shows iteration, reward, length, tokens/s and the time left; use as a context manager.

    On a terminal the line is rewritten in place; elsewhere (a file, CI) a plain line is printed now
    and then. Never raises into the loop: a closed stream ends the showing, not the run.
    """

    def __init__(
        self, label: str, total: int, done: int = 0, *, shown: bool = True, stream: TextIO | None = None
    ):
        self._label, self._total, self._first = label, total, done
        self._stream = stream if stream is not None else sys.stderr
        self._shown = shown
        self._tty = shown and bool(getattr(self._stream, "isatty", lambda: False)())
        self._start = time.monotonic()
        self._last_plain = -PLAIN_LINE_EVERY_S
        self._width = 0
        self._pending = ""

    def __enter__(self) -> LiveLine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._tty and self._width:
            self._write("\n")
        elif self._pending:
            self._write(self._pending + "\n")
        self._pending = ""

    def update(self, done: int, values: Mapping[str, str]) -> None:
        """`done`: iterations finished; `values`: short texts by label, in the order to show."""
        elapsed = time.monotonic() - self._start
        fresh = done - self._first
        left = f"{_clock(elapsed / fresh * (self._total - done))} left" if fresh > 0 else "starting"
        shown = "  ".join(f"{name} {value}" for name, value in values.items())
        line = f"{self._label} {done}/{self._total}  {shown}  {left}"
        if self._tty:
            self._write("\r" + line.ljust(self._width))
            self._width = len(line)
        elif elapsed - self._last_plain >= PLAIN_LINE_EVERY_S or done >= self._total:
            self._write(line + "\n")
            self._last_plain, self._pending = elapsed, ""
        else:
            self._pending = line

    def note(self, text: str) -> None:
        """A line of its own that stays, above the live one."""
        if self._tty and self._width:
            self._write("\r" + " " * self._width + "\r")
        self._write(text + "\n")

    def _write(self, text: str) -> None:
        if not self._shown:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # the reader of the pipe went away, or the stream was closed
            self._tty = False


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
