r"""Other spellings of a reference with the same value: what models write for it."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from decimal import Decimal

Rewrite = Callable[[str, random.Random], str | None]

_PLAIN_FRACTION = re.compile(r"(-?)\\[dtc]?frac\s*(?:\{\s*([0-9]+)\s*\}\s*\{\s*([0-9]+)\s*\}|([0-9])([0-9]))")
_FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
_SCALAR = re.compile(r"-?[0-9\\{}a-z().^ +*/-]+")


def swap(pattern: str, new: str) -> Rewrite:
    """Every match replaced; None where nothing matches."""
    compiled = re.compile(pattern)
    return lambda text, rng: compiled.sub(new, text) if compiled.search(text) else None


def fraction(text: str, rng: random.Random) -> str | None:
    """A fraction of whole numbers with a slash, as a decimal where that ends, or not in lowest terms."""
    match = _PLAIN_FRACTION.fullmatch(text.strip())
    if match is None:
        return None
    top, bottom = int(match.group(2) or match.group(4)), int(match.group(3) or match.group(5))
    if bottom == 0:
        return None
    written = [f"{top}/{bottom}", f"\\frac{{{3 * top}}}{{{3 * bottom}}}", f"({top})/({bottom})"]
    if 10**8 * top % bottom == 0:
        written.append(f"{(Decimal(top) / Decimal(bottom)).normalize():f}")
    return match.group(1) + rng.choice(written)


def thousands(text: str, rng: random.Random) -> str | None:
    match = re.fullmatch(r"(-?)([1-9][0-9]{0,2})([0-9]{3})", text.strip())
    return match and match.group(1) + match.group(2) + rng.choice(
        (",", "{,}", ",\\!", "\\,", " ")
    ) + match.group(3)


def zeros(text: str, rng: random.Random) -> str | None:
    number = text.strip()
    if re.fullmatch(r"-?[0-9]+(?:\.[0-9]+)?", number) is None:
        return None
    return number + ("0" if "." in number else rng.choice((".0", ".00")))


def name(text: str, rng: random.Random) -> str | None:
    if _SCALAR.fullmatch(text) is None or re.search(
        r"[b-df-hj-zA-Z](?![a-z])|\\text", re.sub(r"\\[a-z]+", "", text)
    ):
        return None
    return rng.choice(("x = ", "k=", "S_{n} = ", "f(2) = ", "P(A)=")) + text


def unit(text: str, rng: random.Random) -> str | None:
    if re.fullmatch(r"-?[0-9]+(?:\.[0-9]+)?|-?\\frac\{[0-9]+\}\{[0-9]+\}", text.strip()) is None:
        return None
    return text.strip() + rng.choice(
        ("\\text{ cm}", " \\text{ square units}", "\\,\\mathrm{kg}", " apples", "^\\circ")
    )


def terms(text: str, rng: random.Random) -> str | None:
    """The two terms of a sum exchanged."""
    match = re.fullmatch(r"\$?([0-9a-z\\{} ^]+?)\s*\+\s*([0-9a-z\\{} ^]+?)\$?", text.strip())
    if match is None or any(each.count("{") != each.count("}") for each in match.groups()):
        return None
    return f"{match.group(2)} + {match.group(1)}"


def items(text: str, rng: random.Random) -> str | None:
    """A bare list backwards, with braces, or with "and"."""
    parts = [part.strip() for part in text.split(",")]
    plain = all(re.fullmatch(r"-?[0-9a-z\\{}^ +-]+", part) for part in parts)
    odd = re.search(r"[0-9],[0-9]{3}|\\!|\\text|[a-z]{5}|[0-9]\{|\\[{},]", text)
    if not plain or len(parts) < 2 or odd or text.count("{") != text.count("}"):
        return None
    parts.reverse()
    return rng.choice((", ".join(parts), "\\{" + ", ".join(parts) + "\\}", " \\text{ and } ".join(parts)))


def interval(text: str, rng: random.Random) -> str | None:
    """An interval as an inequality."""
    match = re.fullmatch(
        r"\$?(?:\\left)?([(\[])([^(),\[\]]+),([^(),\[\]]+?)(?:\\right)?([)\]])\$?", text.strip()
    )
    if match is None or ("[" not in text and "]" not in text and "infty" not in text):
        return None
    low, high = match.group(2).strip(), match.group(3).strip()
    left = (
        ""
        if "infty" in low
        else f"{low} {'<' if match.group(1) == '(' else rng.choice(('≤', chr(92) + 'le'))} "
    )
    right = "" if "infty" in high else f" {'<' if match.group(4) == ')' else chr(92) + 'leq'} {high}"
    return f"{left}x{right}" if left or right else None


REWRITES: dict[str, Rewrite] = {
    "dfrac": swap(r"\\[td]?frac(?=\s*\{)", r"\\dfrac"),
    "tfrac": swap(r"\\[td]?frac(?=\s*\{)", r"\\tfrac"),
    "fraction": fraction,
    "sized brackets": lambda t, rng: (
        t.replace("(", "\\left(").replace(")", "\\right)") if "(" in t and "\\left" not in t else None
    ),
    "braced powers": swap(r"\^\s*([0-9a-z])", r"^{\1}"),
    "braced roots": swap(r"\\sqrt\s*([0-9])(?![0-9])", r"\\sqrt{\1}"),
    "thin spaces": swap(r"(?<=[0-9a-z}])\s*\+\s*(?=[0-9a-z\\])", r" \\, + \\; "),
    "no spaces": swap(r"(?<=[0-9}),])\s+(?=[-0-9(+])", ""),
    "thousands": thousands,
    "zeros": zeros,
    "name": name,
    "unit": unit,
    "terms": terms,
    "items": items,
    "interval": interval,
    "Unicode": swap(r"\\pi(?![a-z])", "π"),
    "full width": lambda t, rng: t.translate(_FULL_WIDTH) if re.fullmatch(r"-?[0-9.]+", t) else None,
    "cdot": swap(r"(?<=[0-9])\s*(\\pi|\\sqrt)(?![a-z])", r" \\cdot \1"),
    "matrix": swap(r"\{pmatrix\}", "{bmatrix}"),
    "plain word": swap(r"^\\text\{([A-Za-z ]+)\}$", r"\1"),
    "percent": swap(r"^([0-9.]+)\s*\\?%$", r"\1 percent"),
    "display": lambda t, rng: f"\\displaystyle {t}" if "\\frac" in t and "$" not in t else None,
}


def rewritten(text: str, seed: str) -> tuple[str, str] | None:
    """(kind, the reference in another spelling); None where no rewrite applies."""
    rng = random.Random(seed)
    found = [(kind, new) for kind, write in REWRITES.items() if (new := write(text, rng)) and new != text]
    return rng.choice(found) if found else None
