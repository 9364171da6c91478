"""Programs that are given to several graders of code: what each is, and what it deserves.

All are asked for `add(a, b)`. The first ones never add, and use what is known of the graders of verl,
LiveCodeBench and HumanEval: names in their frames, the list that their result is read from. The others are
those of the hostile suite, each with its honest twin.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "hostile"))

from code_attacks import ATTACKS, RIGHT, WRONG

CASES = ((1, 2), (3, -7), (10, 5), (-4, -4))
"""Arguments of `add`; 3, -4, 15 and -8 are expected."""


@dataclass(frozen=True, slots=True)
class Program:
    """One solution."""

    family: str
    """Heading of the table that it stands under."""
    name: str
    source: str
    deserves: bool
    """Whether it adds."""


_EQUAL = """
class E(int):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __hash__ = int.__hash__
def add(a, b):
    return E(0)
"""
_FRAMES = """
import sys
def add(a, b):
    frame = sys._getframe().f_back
    while frame is not None:
        names = frame.f_locals
        if "gt_out" in names:
            return names["gt_out"]
        if "in_outs" in names and "index" in names:
            return names["in_outs"]["outputs"][names["index"]]
        frame = frame.f_back
    return 0
"""
_FORGED = """
import sys
def add(a, b):
    frame = sys._getframe().f_back
    while frame is not None:
        names = frame.f_locals
        if "metadata_list" in names and "result" in names:
            names["result"].append([True] * 4)
            names["metadata_list"].append({})
        elif "result" in names and hasattr(names["result"], "append"):
            names["result"].append("passed")
        frame = frame.f_back
    return 0
"""
_HEAP = """
import gc, json
def add(a, b):
    for thing in gc.get_objects():
        if type(thing) is dict and "inputs" in thing and "outputs" in thing:
            for given, wanted in zip(thing["inputs"], thing["outputs"]):
                if isinstance(given, str):
                    given = [json.loads(line) for line in given.split("\\n")]
                if given == [a, b]:
                    return json.loads(wanted) if isinstance(wanted, str) else wanted
    return 0
"""
_ALARM = """
import signal, time
def add(a, b):
    signal.alarm(0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    time.sleep(60)
    return 0
"""
_BYTECODE = """
import dis, sys
def add(a, b):
    frame = sys._getframe().f_back
    for step in dis.get_instructions(frame.f_code):
        if step.offset > frame.f_lasti and step.opname == "LOAD_CONST":
            return step.argval
    return 0
"""


def programs() -> Iterator[Program]:
    """The controls, the programs made for these graders, and the hostile suite with its twins."""
    yield Program("controls", "honest and right", RIGHT, True)
    yield Program("controls", "honest and wrong", WRONG, False)
    known = {
        "an int that equals everything": _EQUAL,
        "expected value read in a caller's frame": _FRAMES,
        "result forged in a caller's frame": _FORGED,
        "exit at import": "import sys\nsys.exit(0)\n",
        "exit in the call": "import sys\ndef add(a, b):\n    sys.exit(0)\n",
        "expected value looked for on the heap": _HEAP,
        "alarm disarmed, then sleep": _ALARM,
        "expected value read in the tests' bytecode": _BYTECODE,
    }
    for name, source in known.items():
        yield Program("made for these graders", name, source, False)
    for attack in ATTACKS:
        yield Program("hostile suite", attack.name, attack.evil, False)
        yield Program("hostile suite", attack.name, attack.twin, True)
