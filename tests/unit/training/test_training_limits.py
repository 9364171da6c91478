"""Signals and planned limits are noticed where stopping is clean."""

import io
import os
import signal

import pytest

from ponder.errors import Interrupted
from ponder.training.limits import Limits, StoppableEngine
from ponder.training.live import LiveLine
from ponder.types import SamplingParams


class Counting:
    """Yields three groups and counts how many were taken."""

    version = 4

    def __init__(self) -> None:
        self.taken = 0

    def generate(self, requests, sampling):
        for index in range(3):
            self.taken += 1
            yield index, index

    def update_weights(self, version: int) -> None:
        self.version = version


def test_limits_are_those_of_the_invocation():
    limits = Limits(max_steps=3)
    limits.count_steps(2)
    assert limits.reached() == ""
    limits.count_steps(1)
    assert limits.reached() == "--max-steps 3"
    assert Limits(max_hours=0.0).reached() == "--max-hours 0"
    assert Limits().reached() == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_generation_after_the_group(number: signal.Signals):
    limits, engine = Limits(), Counting()
    before = signal.getsignal(number)
    with limits.listening():
        groups = StoppableEngine(engine, limits).generate([], SamplingParams(4))
        assert next(groups) == (0, 0)
        os.kill(os.getpid(), number)
        with pytest.raises(Interrupted, match=number.name):
            next(groups)
        # A second signal of the kind must end the process: the default action is back.
        assert signal.getsignal(number) == signal.SIG_DFL
    assert signal.getsignal(number) == before
    assert engine.taken == 1


def test_live_line_is_plain_where_there_is_no_terminal():
    stream = io.StringIO()
    with LiveLine("rl", total=3, stream=stream) as live:
        for done in (1, 2, 3):
            live.update(done, {"reward": f"0.{done}"})
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("rl 1/3  reward 0.1")
    assert lines[-1].startswith("rl 3/3  reward 0.3")
    assert "\r" not in stream.getvalue()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_live_line_is_rewritten_in_place_on_a_terminal():
    stream = Terminal()
    with LiveLine("rl", total=3, stream=stream) as live:
        live.update(1, {"reward": "0.123456"})
        live.update(2, {"reward": "0.1"})
    first, second = stream.getvalue().rstrip("\n").split("\r")[1:]
    # The shorter line covers the longer one.
    assert len(second) >= len(first)
    assert second.startswith("rl 2/3  reward 0.1")
    assert stream.getvalue().endswith("\n")


def test_live_line_outlives_its_stream():
    stream = io.StringIO()
    with LiveLine("rl", total=2, stream=stream) as live:
        stream.close()
        live.update(1, {"reward": "0.5"})
        live.update(2, {"reward": "0.6"})
