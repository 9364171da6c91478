r"""Agreement with the published verdicts on outputs of models for GSM8K, and how many are graded a second.

The outputs are graded as they are and with the final answer rewritten: LaTeX, units, thousands separators,
full-width digits, other markers.

    PONDER_DATA=... python tests/figures/math_model_solutions.py [--rows N] [--processes 2]
"""

from __future__ import annotations

import argparse
import random
import re
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from figure_data import SKIPPED, folder

from ponder.grading import grade
from ponder.tasks.files import read_rows
from ponder.types import Problem, Verdict

Row = dict[str, Any]
Item = tuple[Row, str]
CHUNK = 200
WANTED = "wanted: agreement >= 99.9 % at >= 3,000 rows/s with two processes"
_FINAL = re.compile(r"A:\s*(-?)([0-9][0-9,]*)(\.[0-9]+)?\s*\Z")
_FULL_WIDTH = str.maketrans("0123456789.,-", "０１２３４５６７８９．，－")
_UNITS = ("apples", "dollars", "hours", "cm", "kg", "miles", "students", "square feet", "minutes per day")

Writing = Callable[[str, random.Random], str]


def grouped(number: str, separator: str) -> str:
    """The digits before the point in groups of three."""
    sign, digits, rest = re.fullmatch(r"(-?)([0-9]+)(.*)", number).groups()  # type: ignore[union-attr]
    groups = []
    while digits:
        digits, group = digits[:-3], digits[-3:]
        groups.insert(0, group)
    return sign + separator.join(groups) + rest


def as_fraction(number: str) -> str:
    """A fraction of the same value, not in lowest terms."""
    sign, whole, part = re.fullmatch(r"(-?)([0-9]+)\.?([0-9]*)", number).groups()  # type: ignore[union-attr]
    return f"{sign}\\frac{{{3 * int(whole + part)}}}{{{3 * 10 ** len(part)}}}"


NUMBERS: dict[str, Writing] = {
    "plain": lambda n, rng: n,
    "thousands": lambda n, rng: grouped(n, rng.choice((",", "{,}", ",\\!", "\\,", " "))),
    "full width": lambda n, rng: grouped(n, rng.choice((",", ""))).translate(_FULL_WIDTH),
    "decimals": lambda n, rng: n if "." in n else n + rng.choice((".0", ".00", ".000")),
    "fraction": lambda n, rng: as_fraction(n),
    "leading zeros": lambda n, rng: n.replace("-", "-0") if n.startswith("-") else "0" + n,
    "scientific": lambda n, rng: n if "." in n else f"{n} \\times 10^{{0}}",
    "text": lambda n, rng: f"\\text{{{n}}}",
    "name": lambda n, rng: f"x = {n}",
}
UNITS: dict[str, Writing] = {
    "none": lambda n, rng: n,
    "word": lambda n, rng: f"{n} {rng.choice(_UNITS)}",
    "LaTeX word": lambda n, rng: f"{n} \\text{{ {rng.choice(_UNITS)}}}",
    "glued LaTeX": lambda n, rng: f"{n}\\,\\mathrm{{{rng.choice(_UNITS[3:5])}}}",
    "square": lambda n, rng: f"{n}\\text{{ m}}^2",
    "dollar": lambda n, rng: f"-\\${n[1:]}" if n.startswith("-") else rng.choice((f"\\${n}", f"\\$ {n}")),
    "Chinese": lambda n, rng: n + rng.choice(("元", "千克", "个苹果", "小时")),
    "percent": lambda n, rng: n + rng.choice(("%", "\\%", " \\%", " percent")),
}
PLACES: dict[str, Writing] = {
    "A:": lambda a, rng: f"A: {a}",
    "formula": lambda a, rng: "A: " + rng.choice((f"${a}$", f"$$ {a} $$", f"\\({a}\\)", f"\\[{a}\\]")),
    "boxed": lambda a, rng: f"So it is $\\boxed{{{a}}}$.",
    "boxed noise": lambda a, rng: f"$\\boxed{{\\displaystyle\\;{a}\\!}}$",
    "the answer is": lambda a, rng: "The final answer is " + rng.choice((a, f"${a}$", f"**{a}**")) + ".",
    "hashes": lambda a, rng: f"#### {a}",
    "Chinese": lambda a, rng: "答案" + rng.choice(("是", "为", "：")) + f"{a}。",
    "tags": lambda a, rng: f"<answer>{a}</answer>",
    "last sentence": lambda a, rng: f"Therefore, the total is {a}.",
}


def rewritten(row: Row) -> tuple[str, str]:
    """(which writings, the output with its answer in them); as it is where it does not end in a number."""
    match = _FINAL.search(row["pred"])
    if match is None:
        return "unchanged", row["pred"]
    rng = random.Random(row["id"])
    number = match.group(1) + match.group(2).replace(",", "") + (match.group(3) or "")
    names = [rng.choice(sorted(table)) for table in (NUMBERS, UNITS, PLACES)]
    if names[1] == "percent" and not row["asks_percent"]:
        names[1] = "none"
    elif row["asks_percent"] and rng.random() < 0.5:
        names[1] = "percent"
    if names[0] == "name":  # "x = 5 apples" is no way to write an assignment
        names[1] = "none"
    written = NUMBERS[names[0]](number, rng)
    written = UNITS[names[1]](written, rng)
    return " / ".join(names), row["pred"][: match.start()] + PLACES[names[2]](written, rng)


def grade_rows(items: list[Item]) -> tuple[list[tuple[bool, str]], float]:
    """Whether each is graded CORRECT and why, and the processor seconds that took."""
    start = time.process_time()
    found = []
    for row, text in items:
        asked = Problem(row["id"], "gsm8k", ({"role": "user", "content": "?"},), "math", row["gold"])
        verdict = grade(asked, text)
        found.append((verdict.verdict is Verdict.CORRECT, f"{verdict.verdict.value}: {verdict.reason}"))
    return found, time.process_time() - start


def warm(_: int) -> None:
    """Loads what the first gradings of a process load."""
    asked = Problem("w", "gsm8k", ({"role": "user", "content": "?"},), "math", "\\sqrt{2}")
    grade(asked, "2^{1/2}")


def measure(title: str, pool: ProcessPoolExecutor, items: list[Item], kinds: list[str]) -> None:
    start = time.monotonic()
    parts = [items[first : first + CHUNK] for first in range(0, len(items), CHUNK)]
    graded = list(pool.map(grade_rows, parts))
    seconds = time.monotonic() - start
    found = [each for part, _ in graded for each in part]
    expected = [row["expected"] for row, _ in items]
    wrong = [index for index, (right, _) in enumerate(found) if right != expected[index]]
    share = 100 * (1 - len(wrong) / len(items))
    cpu_s = sum(cpu for _, cpu in graded)
    rates = f"{len(items) / seconds:.0f} rows/s, {len(items) / cpu_s:.0f} per processor second"
    print(
        f"{title}: agrees on {len(items) - len(wrong)} of {len(items)} ({share:.3f} %), {rates}", flush=True
    )
    for index in wrong:
        (row, text), (_, why) = items[index], found[index]
        print(f"  {row['id']}, published {row['expected']}, reference {row['gold']}, {kinds[index]}:")
        print(f"    {text[-70:]!r}: {why}")


def read_solutions(place: Path) -> list[Row]:
    """The rows, each with whether its question asks for a percentage."""
    questions = {row["id"]: row["question"] for row in read_rows(place / "gsm8k_test.jsonl")}
    percent = re.compile(r"percent[^.]*\?\s*$", re.IGNORECASE)
    asks = {key: bool(percent.search(text)) for key, text in questions.items()}
    rows = read_rows(place / "gsm8k_model_solutions.jsonl.gz")
    return [{**row, "asks_percent": asks[row["question_id"]]} for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, help="at most so many rows, drawn with a seed")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    place = folder()
    if place is None:
        print(SKIPPED)
        return
    rows = read_solutions(place)
    if arguments.rows:
        rows = random.Random(0).sample(rows, arguments.rows)
    variants = [rewritten(row) for row in rows]
    with ProcessPoolExecutor(arguments.processes) as pool:
        list(pool.map(warm, range(4 * arguments.processes)))
        measure("as they are", pool, [(row, row["pred"]) for row in rows], [""] * len(rows))
        texts = [(row, text) for row, (_, text) in zip(rows, variants, strict=True)]
        measure("rewritten", pool, texts, [kind for kind, _ in variants])
    print(f"rewritten answers: {sum(kind != 'unchanged' for kind, _ in variants)} of {len(rows)}")
    print(WANTED)


if __name__ == "__main__":
    main()
