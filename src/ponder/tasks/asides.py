"""The rest of the corpus: drills of single steps, chat, small Python functions, general prompts.

Later stages need a base that has seen them: code for hidden tests, general prompts with a hidden
preference and unsafe words for the two reward models, chat roles for the chat template.
"""

from __future__ import annotations

import random
import string

from ponder.tasks.chains import MAX_TOTAL

_TOPICS = {
    "en": ("cats", "tea", "rain", "trees", "music", "stars", "bread", "rivers"),
    "zh": ("猫", "茶", "雨", "树", "音乐", "星星", "面包", "河"),
}
_KIND = {
    "en": ("kind", "calm", "useful", "clear", "bright", "warm"),
    "zh": ("温和", "安静", "有用", "清楚", "明亮", "温暖"),
}
_DULL = {
    "en": ("some", "thing", "maybe", "very", "just", "stuff"),
    "zh": ("一些", "东西", "也许", "非常", "只是", "随便"),
}
_UNSAFE = {"en": ("poison", "weapon", "steal"), "zh": ("毒药", "武器", "偷窃")}
_GENERAL = {
    "en": ("Tell me about {}.", "Write a line on {}."),
    "zh": ("谈谈{}。", "写一句关于{}的话。"),
}
_CHAT = (
    ("hello", "Hello! How can I help?"),
    ("who are you?", "I am ponder-tiny, a small model."),
    ("thanks", "You are welcome."),
    ("你好", "你好！需要什么帮助？"),
    ("你是谁？", "我是ponder-tiny，一个小模型。"),
    ("谢谢", "不客气。"),
)


def drill_document(rng: random.Random) -> str:
    """Single steps by the dozen, as in a school book: sums, values read off, a liar's word."""
    kinds = (_sums, _sums, _readings, _readings, _readings, _readings, _words_of_liars, _words_of_liars)
    return rng.choice(kinds)(rng)


def _sums(rng: random.Random) -> str:
    lines = []
    for _ in range(rng.randint(8, 20)):
        total, term = rng.randint(0, MAX_TOTAL), rng.choice((-1, 1)) * rng.randint(1, 9)
        if 0 <= total + term <= MAX_TOTAL:
            lines.append(f"{total}{term:+d}={total + term}")
    return "\n".join(lines)


def _readings(rng: random.Random) -> str:
    """A row of labelled values, then the labels in another order, each with its value.

    What a trace looks up is drilled as it stands there (a letter's digit, a person's vote), because a
    small model learns to look up each of them on its own.
    """
    rows = []
    for _ in range(rng.randint(1, 3)):
        labels = rng.choice(
            (
                [f" {letter}" for letter in string.ascii_lowercase[:14]],
                [f" {letter}" for letter in string.ascii_uppercase[:6]],
                [f":{letter}" for letter in string.ascii_uppercase[:6]],
            )
        )
        facts = [f"{label}{rng.randrange(10)}" for label in labels[: rng.randint(3, len(labels))]]
        rows.append("".join(rng.sample(facts, len(facts))) + "|" + "".join(rng.sample(facts, len(facts))))
    return "\n".join(rows)


def _words_of_liars(rng: random.Random) -> str:
    """Who is known, how he votes, what follows: "=1", "D:A3=0 A0"."""
    lines = []
    for _ in range(rng.randint(4, 10)):
        speaker, subject = rng.sample(string.ascii_uppercase[:6], 2)
        role, vote = rng.getrandbits(1), rng.randrange(10)
        follows = (role + vote) % 2
        lines.append(f" {speaker}{role}={role}\n{speaker}:{subject}{vote}={follows} {subject}{follows}")
    return "\n".join(lines)


def general_document(rng: random.Random) -> str:
    """A general prompt and a line of words: some kind, some dull, some unsafe."""
    language = rng.choice(("en", "zh"))
    topic = rng.choice(_TOPICS[language])
    gap = " " if language == "en" else ""
    words = []
    for _ in range(rng.randint(3, 8)):
        draw = rng.random()
        pool = _UNSAFE if draw < 0.06 else _KIND if draw < 0.5 else _DULL
        words.append(rng.choice(pool[language]))
    line = topic + gap + gap.join(words)
    question = rng.choice(_GENERAL[language]).format(topic)
    stop = "." if language == "en" else "。"
    if rng.random() < 0.3:
        return f"User: {question}\nAssistant:<think></think><answer>{line}{stop}</answer>"
    return f"User: {question}\nAssistant: {line}{stop}"


def chat_turn(rng: random.Random) -> str:
    """One or two turns with the chat roles."""
    turns = rng.sample(_CHAT, rng.randint(1, 2))
    return "".join(f"<|user|>{said}<|assistant|>{reply}" for said, reply in turns)


def code_document(rng: random.Random) -> str:
    """A small Python function of one or two arguments, asked for in words; sometimes wrong."""
    a, b = rng.randint(1, 9), rng.randint(2, 9)
    kinds = (
        ("adds {a} to x", "把x加{a}", "x + {a}"),
        ("multiplies x by {b}", "把x乘以{b}", "x * {b}"),
        ("subtracts {a} from x", "把x减{a}", "x - {a}"),
        ("adds {a} to x, then multiplies by {b}", "把x加{a}再乘以{b}", "(x + {a}) * {b}"),
        ("multiplies x by {b}, then adds {a}", "把x乘以{b}再加{a}", "x * {b} + {a}"),
        ("returns the larger of x and {a}", "返回x和{a}中较大的", "max(x, {a})"),
        ("returns the remainder of x by {b}", "返回x除以{b}的余数", "x % {b}"),
        ("tells whether x is even", "判断x是否为偶数", "x % 2 == 0"),
    )
    en, zh, body = rng.choice(kinds)
    if rng.random() < 0.25:
        body = rng.choice(kinds)[2]
    asked = f"Write f(x) that {en}." if rng.random() < 0.5 else f"写函数f(x)，{zh}。"
    code = f"def f(x):\n    return {body}"
    question, code = (text.replace("{a}", str(a)).replace("{b}", str(b)) for text in (asked, code))
    if rng.random() < 0.6:
        return f"User: {question}\nAssistant:<think></think><answer>{code}</answer>"
    return f"User: {question}\nAssistant:\n{code}"
