"""Runs tests on another machine that `ponder.grading.code_server` (or anything with its protocol) serves.

The protocol: POST /run with JSON {"source", "reference", "language", "every"}; the answer is JSON
{"passed", "total", "reason", "feedback"} with status 200, {"broken": why} with 422 for tests that do not
run, or {"lost": why} with 503 when the sandbox failed there. GET /health answers {"sandbox": name}.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from ponder.grading.code_result import BrokenTestsError, Result
from ponder.grading.sandbox.session import SandboxLost

TIMEOUT_S = 600.0
_MAX_REPLY_BYTES = 1 << 20


class RemoteRunner:
    """A client of a server at `address`: "http://HOST:PORT"."""

    def __init__(self, address: str) -> None:
        self._address = address.rstrip("/")

    def run(self, source: str, reference: str, language: str | None, every: bool) -> Result:
        """As `LocalRunner.run`; a server that cannot be reached, or answers nonsense, twice, is
        SandboxLost."""
        body = {"source": source, "reference": reference, "language": language, "every": every}
        request = urllib.request.Request(
            f"{self._address}/run", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        for attempt in (1, 2):
            try:
                return _read(_fetch(request))
            except (OSError, ValueError, KeyError, TypeError) as error:
                if attempt == 2:
                    raise SandboxLost(f"{self._address}: {type(error).__name__}: {error}") from error
        raise AssertionError("two attempts return or raise")


def _fetch(request: urllib.request.Request) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:
            return reply.status, json.loads(reply.read(_MAX_REPLY_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read(_MAX_REPLY_BYTES))


def _read(reply: tuple[int, dict[str, Any]]) -> Result:
    status, content = reply
    if status == 422:
        raise BrokenTestsError(str(content["broken"]))
    if status != 200:
        raise SandboxLost(str(content.get("lost", f"status {status}")))
    passed, total = int(content["passed"]), int(content["total"])
    if not 0 <= passed <= total:
        raise ValueError(f"{passed} of {total} passed")
    return Result(passed, total, str(content["reason"]), str(content["feedback"]))
