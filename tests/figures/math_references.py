r"""Whether every usable row's own reference is graded CORRECT, and a changed one WRONG.

Each reference is given as \boxed{...}, in an English sentence and in a Chinese one. The changed one has
another value: another number, sign, denominator, interval end, order of a tuple, variable, choice or text,
drawn with a seed from what the reference allows. Besides, each reference is given in another spelling of the
same value (`math_rewrites`), drawn with a seed too, which must be CORRECT.

    PONDER_DATA=... python tests/figures/math_references.py [--rows N] [SET ...]
"""

from __future__ import annotations

import argparse
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from figure_data import SKIPPED, folder
from math_rewrites import rewritten

from ponder.grading import grade
from ponder.tasks.files import read_rows
from ponder.types import Problem, Verdict

SETS = (
    "gsm8k_test", "gsm8k_train", "math500", "math_test", "aime24", "amc23", "olympiadbench", "minerva_math",
    "gaokao2023en", "cmath_zh", "mgsm",
)  # fmt: skip
FURTHER = (
    "cn_middle_school_zh", "chmath2024_en", "svamp", "aime_train_hist", "math_train", "deepscaler_10k",
    "dsr_sub_1209",
)  # fmt: skip
WANTED = 99.5

Change = Callable[[str, random.Random], str | None]

# --- changed references -----------------------------------------------------------------------------

_NUMBER = re.compile(r"(?<![0-9.A-Za-z_,!])[0-9]+(?:(?:,|\{,\}|,\\!)[0-9]{3})*(?:\.[0-9]+)?(?![0-9.]|\s*_)")
_INDEX = re.compile(r"_\s*(?:\{[^{}]*\}|[0-9A-Za-z])")
_DENOMINATOR = re.compile(r"(\\[dtc]?frac\s*\{[^{}]*\}\s*\{\s*|[0-9]\s*/\s*)([0-9]+)")
_TUPLE = re.compile(r"[(\[]([^()\[\]{}]+),([^()\[\]{}]+)[)\]]")
_VARIABLE = re.compile(r"(?<![\\A-Za-z])([abxyzmnkt])(?![A-Za-z])")


def other_number(text: str, rng: random.Random) -> str | None:
    """One of its numbers, increased. Numbers in an index are left alone: they belong to a name."""
    hidden = [match.span() for match in _INDEX.finditer(text)]
    found = [m for m in _NUMBER.finditer(text) if not any(low <= m.start() < high for low, high in hidden)]
    if not found:
        return None
    match = rng.choice(found)
    digits = re.sub(r"[^0-9.]", "", match.group())
    decimals = len(digits.partition(".")[2])
    step = rng.choice((1, 2, 3, 10)) / 10**decimals
    return text[: match.start()] + f"{float(digits) + step:.{decimals}f}" + text[match.end() :]


def other_sign(text: str, rng: random.Random) -> str | None:
    if re.fullmatch(r"-?\$?\\?[dt]?(?:frac|sqrt)?[0-9{}./ ]*[1-9][0-9{}./ ]*", text.strip()) is None:
        return None
    return text.strip()[1:] if text.strip().startswith("-") else "-" + text.strip()


def other_denominator(text: str, rng: random.Random) -> str | None:
    match = _DENOMINATOR.search(text)
    if match is None:
        return None
    return f"{text[: match.start(2)]}{int(match.group(2)) + rng.randint(1, 9)}{text[match.end(2) :]}"


def other_end(text: str, rng: random.Random) -> str | None:
    r"""An interval closed where it was open: "[0, 1)" as "[0, 1]". A pair in parentheses is left alone."""
    ends = re.search(r"\\left|\\right|\\infty|\\cup", text) or ("[" in text) != ("]" in text)
    if not ends or "," not in text or "\\begin" in text or "\\sqrt[" in text:
        return None
    for bracket, changed in (("[", "("), ("]", ")")):
        if bracket in text:
            return text.replace(bracket, changed, 1)
    return None


def other_order(text: str, rng: random.Random) -> str | None:
    """The two coordinates of a point exchanged."""
    match = re.fullmatch(r"\$?(?:\\left)?\(([^(),]+),([^(),]+?)(?:\\right)?\)\$?", text.strip())
    if match is None or match.group(1).strip() == match.group(2).strip() or "infty" in text:
        return None
    return f"({match.group(2)},{match.group(1)})"


def other_variable(text: str, rng: random.Random) -> str | None:
    names = sorted(set(_VARIABLE.findall(text)))
    if not names or re.search(r"[<>,:=]|\\[lg]e|\\in|\\text|[A-Za-z]{5}\s|[\u4e00-\u9fff]", text):
        return None
    name = rng.choice(names)
    return re.sub(rf"(?<![\\A-Za-z]){name}(?![A-Za-z])", "w", text)


def other_choice(text: str, rng: random.Random) -> str | None:
    match = re.fullmatch(r"((?:\\text\{)?\(?)([A-H])(\)?\}?)", text.strip())
    return match and match.group(1) + rng.choice("ABCDEFGH".replace(match.group(2), "")) + match.group(3)


def other_text(text: str, rng: random.Random) -> str | None:
    if re.fullmatch(r"(?:\\text\{)?[A-Za-z\u4e00-\u9fff ]{3,}\}?", text.strip()) is None:
        return None
    words = ["ellipse", "Tuesday", "odd", "Robert", "第三象限", "triangle"]
    return rng.choice([word for word in words if word.lower() not in text.lower()])


CHANGES: dict[str, Change] = {
    "number": other_number,
    "sign": other_sign,
    "denominator": other_denominator,
    "interval end": other_end,
    "order": other_order,
    "variable": other_variable,
    "choice": other_choice,
    "text": other_text,
}


def changed(text: str, seed: str) -> tuple[str, str] | None:
    """(kind of change, the reference with another value); None when nothing could be changed."""
    rng = random.Random(seed)
    found = [(name, new) for name, change in CHANGES.items() if (new := change(text, rng)) and new != text]
    return rng.choice(found) if found else None


# --- forms of an answer -----------------------------------------------------------------------------


def formula(text: str) -> str:
    """`text` as it stands in a sentence: between dollars where it is a formula without them."""
    plain = "$" in text or re.fullmatch(r"[-0-9.,/%: \u4e00-\u9fffA-Za-z“”]+", text)
    return text if plain else f"${' '.join(text.split())}$"


FORMS: dict[str, Callable[[str], str]] = {
    "boxed": lambda text: f"First we find 12 and then 7, which gives $\\boxed{{{text}}}$.",
    "English": lambda text: f"We first get 3 + 4 = 7.\nAfter simplifying, the answer is {formula(text)}.",
    "Chinese": lambda text: f"先算出 3 + 4 = 7。\n因此，答案是{formula(text)}。",
}


def grade_row(row: dict[str, Any]) -> list[tuple[str, str, str, bool, str, str]]:
    """(set, form, kind of change or "", whether graded as it should be, answer, reason) of each form."""
    reference = str(row["answer"])
    asked = Problem(str(row["id"]), "references", ({"role": "user", "content": "?"},), "math", reference)
    other = changed(reference, f"{row['set']} {row['id']}")
    again = rewritten(reference, f"{row['set']} {row['id']}")
    results = []
    for form, write in FORMS.items():
        found = grade(asked, write(reference))
        results.append((row["set"], form, "", found.verdict is Verdict.CORRECT, reference, found.reason))
        if other is not None:
            found = grade(asked, write(other[1]))
            is_wrong = found.verdict is Verdict.WRONG
            results.append((row["set"], form, other[0], is_wrong, f"{reference} -> {other[1]}", found.reason))
    if again is not None:
        found = grade(asked, f"So it is $\\boxed{{{again[1]}}}$.")
        is_right = found.verdict is Verdict.CORRECT
        results.append(
            (row["set"], "rewritten", again[0], is_right, f"{reference} -> {again[1]}", found.reason)
        )
    return results


def usable_rows(place: Path, name: str, limit: int | None) -> list[dict[str, Any]]:
    path = next(path for path in (place / f"{name}.jsonl", place / f"{name}.jsonl.gz") if path.exists())
    rows = [row for row in read_rows(path) if row.get("usable", True) and str(row["answer"]).strip()]
    if limit is not None and len(rows) > limit:
        rows = random.Random(name).sample(rows, limit)
    return [{"id": row["id"], "answer": row["answer"], "set": name} for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("sets", nargs="*", default=[*SETS, *FURTHER])
    parser.add_argument("--rows", type=int, help="at most so many rows of each set, drawn with a seed")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    place = folder()
    if place is None:
        print(SKIPPED)
        return
    with ProcessPoolExecutor(arguments.processes) as pool:
        for name in arguments.sets:
            rows = usable_rows(place, name, arguments.rows)
            start = time.monotonic()
            results = [each for row in pool.map(grade_row, rows, chunksize=50) for each in row]
            report(name, rows, results, time.monotonic() - start)
    print(f"wanted: at least {WANTED} % of each, the rest explained")


def report(name: str, rows: list[dict[str, Any]], results: list[Any], seconds: float) -> None:
    figures = []
    for form in FORMS:
        right = [each[3] for each in results if each[1] == form and not each[2]]
        wrong = [each[3] for each in results if each[1] == form and each[2]]
        figures.append(f"{form} {share(right)} correct, changed {share(wrong)} wrong")
    again = [each[3] for each in results if each[1] == "rewritten"]
    figures.append(f"rewritten {share(again)} correct")
    kinds = Counter(each[2] for each in results if each[1] == "boxed" and each[2])
    spellings = Counter(each[2] for each in results if each[1] == "rewritten")
    untouched = len(rows) - sum(kinds.values())
    print(f"{name}: {len(rows)} rows; {'; '.join(figures)}; {len(results) / seconds:.0f} gradings/s")
    print(f"  changed: {dict(kinds.most_common())}, not changed: {untouched}")
    print(f"  rewritten: {dict(spellings.most_common())}", flush=True)
    for _, form, kind, as_it_should, text, reason in results:
        if not as_it_should:
            what = (
                f"{form}: {kind}"
                if form == "rewritten"
                else f"{form}, {'changed ' + kind if kind else 'own'}"
            )
            print(f"  {what}: {text!r}: {reason}", flush=True)


def share(outcomes: list[bool]) -> str:
    return f"{100 * sum(outcomes) / len(outcomes):.2f} % of {len(outcomes)}" if outcomes else "none"


if __name__ == "__main__":
    main()
