"""Where untrusted code runs."""

from ponder.grading.sandbox.bubblewrap import Bubblewrap, Sandbox
from ponder.grading.sandbox.limits import Ending, Limits, Stop
from ponder.grading.sandbox.programs import Program, PythonRun
from ponder.grading.sandbox.session import SandboxLost, Session

__all__ = [
    "Bubblewrap",
    "Ending",
    "Limits",
    "Program",
    "PythonRun",
    "Sandbox",
    "SandboxLost",
    "Session",
    "Stop",
]
