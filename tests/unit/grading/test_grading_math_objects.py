"""The math grader on mathematical objects: each rule with instances and with twins that must stay wrong."""

import pytest

from ponder.grading import grade
from ponder.types import Problem, Verdict


def problem(reference: str) -> Problem:
    return Problem("p", "t", ({"role": "user", "content": "?"},), "math", reference)


@pytest.fixture(autouse=True)
def no_symbolic(monkeypatch):
    """Everything here is decided without sympy."""

    def refuse(reference, answer):
        raise AssertionError(f"symbolic comparison of {reference!r} and {answer!r}")

    monkeypatch.setattr("ponder.grading.math.compare_symbolically", refuse)


SAME = {
    "expressions": [
        ("x^2+2x+1", "(x+1)^2"),
        ("\\frac{\\sqrt{3}}{2}", "\\frac{3}{2\\sqrt{3}}"),
        ("\\frac94\\pi", "2.25\\pi"),
        ("\\sqrt{12}", "2\\sqrt3"),
        ("\\sqrt[3]{-8}", "-2"),
        ("2^{10}", "1024"),
        ("2^{2005}", "2 \\cdot 2^{2004}"),
        ("\\frac{1}{2004!}", "\\frac{2004}{2004! \\cdot 2004}"),
        ("\\sin \\pi", "0"),
        ("\\frac{100!}{99!}", "100"),
        ("\\binom{n}{2}", "\\frac{n(n-1)}{2}"),
        ("C_{5}^{2}", "10"),
        ("\\log_2 8", "3"),
        ("\\sin^2 x + \\cos^2 x", "1"),
        ("2\\sin b\\cos a", "\\sin(a+b) - \\sin(a-b)"),
        ("e^{i\\pi}", "-1"),
        ("6+8i", "2(3+4i)"),
        ("|-3|", "3"),
        ("\\lfloor 3.7 \\rfloor", "3"),
        ("\\cos 58^\\circ", "\\sin 32^\\circ"),
        ("\\tan^{-1} x", "\\arctan x"),
        ("v^2_0", "v_{0}^{2}"),
        ("sqrt(3)/2", "\\frac{\\sqrt{3}}{2}"),
        ("3\\frac{1}{2}", "\\frac72"),
        ("3\\frac{1}{2}\\pi", "\\frac{7\\pi}{2}"),
        ("\\sum_{k=1}^{n} k", "\\frac{n(n+1)}{2}"),
        ("\\prod_{k=1}^{5} k", "120"),
        ("a_{n+1} + a_n", "a_n + a_{n+1}"),
        ("\\frac{3\\sqrt{}{5}}{2}", "\\frac{3\\sqrt{5}}{2}"),
        ("x²+1", "1+x^2"),
        ("√3", "\\sqrt{3}"),
        ("½", "0.5"),
        ("\\frac12", "\\color{red}{\\frac{1}{2}}"),
        ("\\frac12", "\\underline{\\mathbf{0.5}}"),
        ("{}\\frac{1}{{}2}", "0.5"),
        ("\\\\frac{1}{2}", "\\frac{1}{2}"),
        ("0.\\overline{3}", "\\frac{1}{3}"),
        ("0.1\\overline{6}", "1/6"),
    ],
    "computations": [
        ("12", "3 \\cdot 4 = 12"),
        ("\\frac13", "x = 1 - \\frac23 = \\frac13"),
        ("\\frac13", "\\frac13 \\approx 0.33"),
        ("7", "x \\approx 7"),
        ("2", "\\int_0^2 x\\,dx = \\frac{4}{2} = 2"),
        ("15", "(7 + 8 = 15)"),
        ("15", "= 15"),
        ("15", "15 = x"),
        ("15", "\\begin{aligned} x &= 7 + 8 \\\\ &= 15 \\end{aligned}"),
    ],
    "assignments": [
        ("x = 5", "5"),
        ("5", "n = 5"),
        ("f(x) = x + 1", "x+1"),
        ("|AB| = 2", "2"),
        ("AB = 2", "2"),
        ("\\angle ABC = 40", "40"),
        ("(p,q) = (3,2)", "(3,2)"),
        ("S_{\\triangle ABC} = \\sqrt2", "\\sqrt2"),
        ("a:b = 2", "2"),
        ("y_{1} = x^2", "x^2"),
    ],
    "lists": [
        ("1, 2, 3", "3, 1, 2"),
        ("4 \\text{ and } 7", "7, 4"),
        ("19, 46, and 82", "82, 19 and 46"),
        ("x = 2 \\text{ or } x = -2", "-2, 2"),
        ("\\pm 3", "3, -3"),
        ("1 \\pm \\sqrt{2}", "1-\\sqrt2, 1+\\sqrt2"),
        ("\\{1, 2\\}", "\\{2, 1\\}"),
        ("1;2;3", "\\{3,2,1\\}"),
        ("n = 1, 2, 3", "1, 2, 3"),
        ("a=4, b=5", "b=5, a=4"),
        ("(1,2),(3,4)", "(3,4),(1,2)"),
        ("p=1,q=2;p=3,q=4", "(1,2),(3,4)"),
        ("\\{7\\}", "7"),
        ("$\\sqrt{2}$, $1$", "1, \\sqrt2"),
        ("1,000, 2,000", "2000, 1000"),
        ("3或5", "5, 3"),
        ("\\begin{cases} x = 1 \\\\ y = 2 \\end{cases}", "x = 1, y = 2"),
        ("0.09 \\text{ OR } \\frac{9}{100}", "0.09"),
        ("\\frac12", "\\frac12 \\text{ or } 50\\%"),
        ("2", "2, 2"),
    ],
    "tuples": [
        ("(3, \\frac{\\pi}{2})", "(3, 0.5\\pi)"),
        ("(1,2,3)", "\\langle 1, 2, 3 \\rangle"),
        ("(1,2)", "\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}"),
        ("(2,251,252)", "(2, 251, 252)"),
        ("\\left( \\frac{4}{5}, \\frac{1}{5} \\right)", "(0.8, 0.2)"),
    ],
    "intervals": [
        ("[0, 1)", "0 \\le x < 1"),
        ("(2, \\infty)", "x > 2"),
        ("(2, \\infty)", "2 < y"),
        ("(-3, 3)", "-3 < x < 3"),
        ("(-3, 3)", "3 > x > -3"),
        ("x \\in [-2, 7]", "[-2,7]"),
        ("(-\\infty, 0) \\cup (0, \\infty)", "x \\neq 0"),
        ("(-\\infty,-2] \\cup [2,\\infty)", "x \\le -2 \\text{ or } x \\ge 2"),
        ("[1,2] \\cup [2,3]", "[1,3]"),
        ("(1,2] \\cup (2,3)", "(1,3)"),
        ("\\{x | -2 \\le x < 1\\}", "[-2,1)"),
        ("\\{x | -2 \\le x < 1\\}", "\\{t : -2 \\le t < 1\\}"),
        ("3e8, 1", "1, 3 \\times 10^8"),
        ("x = 1.5e-3", "0.0015"),
        ("\\{-1\\} \\cup [0,7)", "[0,7) \\cup \\{-1\\}"),
        ("(\\frac{3}{5}, \\frac83]", "(0.6, 2.6667]"),
        ("-5\\lex\\le1", "[-5,1]"),
    ],
    "equations": [
        ("x^2+y^2=1", "1-x^2-y^2=0"),
        ("x^2+y^2=1", "2x^2+2y^2=2"),
        ("2x+4y-3=0", "y=-\\frac12 x+\\frac34"),
        ("y = 2x + 3", "2x - y + 3 = 0"),
        ("x < 1", "-x > -1"),
        ("x + y \\ge 3", "3 - x - y \\le 0"),
        ("x != 3", "x \\ne 3"),
    ],
    "matrices": [
        (
            "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}",
            "\\left[\\begin{array}{cc}1 & 2 \\\\ 3 & 4\\end{array}\\right]",
        ),
        ("\\begin{pmatrix} 1/2 \\\\ -1 \\end{pmatrix}", "\\begin{bmatrix} 0.5 \\\\ -1 \\end{bmatrix}"),
    ],
    "ratios, bases, times": [
        ("1:2", "2:4"),
        ("3:1", "3"),
        ("1101_2", "1101_{2}"),
        ("1101_2", "1101_{(2)}"),
        ("1101_2", "1101"),
        ("4:30", "4:30 \\text{ p.m.}"),
    ],
    "rounding": [
        ("\\frac{8}{3}", "2.667"),
        ("\\sqrt{2}", "1.4142"),
        ("3.1416", "3.14159"),
        ("3.14159", "\\pi"),
    ],
    "decimal commas": [("1,22", "1.22"), ("3.5", "3,5"), ("1.234,50", "1234.5")],
    "options": [
        ("C", "c"),
        ("C", "(C)"),
        ("(C) Cecile", "C"),
        ("D Daniel", "D"),
        ("C. 12", "C"),
        ("D", "D. it cannot be A or B"),
        ("B", "The answer is clearly B, not A"),
    ],
}
DIFFERENT = {
    "expressions": [
        ("x^2+2x+1", "(x-1)^2"),
        ("\\sqrt{12}", "2\\sqrt5"),
        ("2^{2005}", "2^{2004}"),
        ("\\frac{1}{2004!}", "\\frac{1}{2014!}"),
        ("\\pi \\cdot 10^{-40}", "2\\pi \\cdot 10^{-40}"),
        ("2 x y", "2 x w"),
        ("e^{\\pi\\sqrt{163}}", "262537412640768744"),
        ("x+1", "t+1"),
        ("E", "2E"),
        ("\\cos 58^\\circ", "\\sin 33^\\circ"),
        ("\\sum_{k=1}^{n} k", "\\frac{n(n-1)}{2}"),
        ("a_{n+1}", "a_n"),
        ("5²", "52"),
        ("25", "5²5"),
        ("0.\\overline{3}", "0.\\overline{4}"),
        ("\\frac{3\\sqrt{}{5}}{2}", "\\frac{3\\sqrt{6}}{2}"),
    ],
    "computations": [
        ("12", "12 = 13"),
        ("\\frac13", "\\frac12 \\approx \\frac13"),
        ("0.33", "\\frac13 \\approx 0.33"),
    ],
    "assignments": [
        ("x = 5", "x = 6"),
        ("y = -\\frac14", "x = -\\frac14"),
        ("2x + z = 1", "1"),
        ("a + 3z = 0", "0"),
        ("(p,q) = (3,2)", "(2,3)"),
    ],
    "lists": [
        ("1, 2, 3", "1, 2"),
        ("1, 2", "1, 2, 3"),
        ("5", "4, 5"),
        ("5", "4 or 5"),
        ("5", "4 \\text{ and } 5"),
        ("5", "\\pm 5"),
        ("5", "\\{4, 5\\}"),
        ("\\frac12", "\\frac12 \\text{ or } 60\\%"),
        ("\\begin{cases} x = 1 \\\\ y = 2 \\end{cases}", "x = 2, y = 1"),
        ("5", "1, 2, 3, 4, 5, 6, 7, 8, 9"),
        ("(3,1)", "\\{1,3\\}"),
        ("(3,1)", "{1,3}"),
        ("a=4, b=5", "a=5, b=4"),
        ("n=2,3,4", "n=1,2,3"),
        ("1,000, 2,000", "1000, 200"),
        ("1, 2", "1.2.3"),
    ],
    "tuples": [
        ("(3, 1)", "(1, 3)"),
        ("(1,2)", "(1,2,2)"),
        ("(1,2)", "\\begin{pmatrix} 2 \\\\ 1 \\end{pmatrix}"),
    ],
    "intervals": [
        ("[0, 1)", "[0, 1]"),
        ("x > 5", "y > 5"),
        ("x \\neq 1", "y \\neq 1"),
        ("(2, \\infty)", "x \\ge 2"),
        ("(2, \\infty)", "(-\\infty, 2)"),
        ("[-3,2]", "(-\\infty,-3] \\cup [2,\\infty)"),
        ("(1,2) \\cup (2,3)", "(1,3)"),
        ("(1,2) \\cup (2,3)", "1 < x < 3"),
        ("x \\neq 0", "(-\\infty, 0)"),
        ("[-5,1]", "-5,1]"),
        ("(0,1)", "(0,1.5)"),
    ],
    "equations": [
        ("x^2+y^2=1", "x^2-y^2=1"),
        ("x^2+y^2=1", "x^2+y^2=2"),
        ("x < 1", "x > 1"),
        ("x < 1", "x \\le 1"),
        ("y = 2x + 3", "y = 2x - 3"),
        ("x^2+y^2=1", "1"),
    ],
    "matrices": [
        ("\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{pmatrix}1&2\\\\3&5\\end{pmatrix}"),
        ("\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{pmatrix}1&3\\\\2&4\\end{pmatrix}"),
        ("\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\begin{pmatrix}1\\\\2\\\\2\\end{pmatrix}"),
    ],
    "ratios, bases, times": [
        ("1:2", "2:1"),
        ("2:10", "4:20"),
        ("12:00", "1:00"),
        ("1101_2", "1101_3"),
        ("1101_2", "1111_2"),
        ("1101_2", "13"),
        ("72", "72_{10}"),
    ],
    "rounding": [
        ("\\frac{8}{3}", "2.67"),
        ("\\frac{8}{3}", "2.666"),
        ("\\frac13", "0.3334"),
        ("5", "5.0001"),
        ("2.0001", "2"),
        ("3.14159", "3.14"),
        ("0.25", "0.251"),
    ],
    "decimal commas": [("1,22", "1.23"), ("1,000", "1"), ("1,000", "1.000")],
    "options": [
        ("C", "D"),
        ("C", "A, B, C"),
        ("C", "C or D"),
        ("D", "D, A"),
        ("C", "not C"),
        ("A", "A + B"),
        ("E", "\\mathrm{E} \\cdot 2"),
    ],
}


@pytest.mark.parametrize("rule", SAME)
def test_the_same_object_is_correct_however_it_is_written(rule):
    found = [(r, a, grade(problem(r), a)) for r, a in SAME[rule]]
    assert [(r, a, g.reason) for r, a, g in found if g.verdict is not Verdict.CORRECT] == []


@pytest.mark.parametrize("rule", DIFFERENT)
def test_another_object_is_wrong(rule):
    found = [(r, a, grade(problem(r), a)) for r, a in DIFFERENT[rule]]
    assert [(r, a, g.reason) for r, a, g in found if g.verdict is not Verdict.WRONG] == []


UNITS_SAME = [
    ("5 cm", "5"),
    ("5", "5\\text{ cm}"),
    ("5 \\text{ m}", "500 cm"),
    ("2 \\text{ hours}", "120 \\text{ minutes}"),
    ("60 \\text{ km/h}", "1 \\text{ km} / min"),
    ("15\\mbox{ cm}^2", "15"),
    ("8\\sqrt{3} \\text{ square inches}", "8\\sqrt3"),
    ("36\\sqrt{7}cm^{3}", "36\\sqrt{7}"),
    ("12 \\text{ degrees}", "12"),
    ("192公斤", "192 千克"),
    ("3平方米", "3 m^2"),
    ("0.64N", "\\frac{16}{25}N"),
    ("6m", "6"),
    ("\\$18.90", "18.90 dollars"),
    ("5.3\\%", "5.3"),
    ("9\\text{ a.m.}", "9 am"),
    ("8 meals", "8 \\text{ dinners}"),
]
UNITS_DIFFERENT = [
    ("5 cm", "5 m"),
    ("5 cm", "5 \\text{ kg}"),
    ("5 \\text{ cm}^2", "5 cm"),
    ("3 \\text{ hours}", "3 \\text{ minutes}"),
    ("9\\text{ a.m.}", "9 p.m."),
    ("0.64N", "0.64"),
    ("5", "5x"),
    ("5", "5 x"),
    ("10\\text{ units}", "100"),
    ("60 \\text{ km/h}", "60 \\text{ m/s}"),
]


def test_units_may_be_left_out_or_converted_but_not_exchanged():
    assert [(r, a) for r, a in UNITS_SAME if grade(problem(r), a).verdict is not Verdict.CORRECT] == []
    assert [(r, a) for r, a in UNITS_DIFFERENT if grade(problem(r), a).verdict is not Verdict.WRONG] == []
