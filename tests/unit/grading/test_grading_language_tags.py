"""The language of each word."""

from __future__ import annotations

from collections import Counter

import pytest

from ponder.grading.language_tags import tag_words
from ponder.grading.scripts import LANGUAGE_SCRIPTS, find_words, script_partners

GERMAN = "Zuerst addieren wir die beiden Zahlen, und danach teilen wir das Ergebnis durch drei."
ENGLISH = "First we add the two numbers, and after that we divide the result by three."
FRENCH = "D'abord nous additionnons les deux nombres, puis nous divisons le résultat par trois."


def tags(text: str, languages: tuple[str, ...], expected: str | None = None) -> list[str | None]:
    return tag_words(find_words(text), text, languages, expected)


def test_scripts_decide_exactly() -> None:
    text = "so 我们 добавим تمام 더한다 ქართული"
    found = tags(text, ("en", "zh", "ru", "ar", "ko"))
    assert found == ["en", "zh", "zh", "ru", "ar", "ko", None]


@pytest.mark.parametrize("expected", ["en", "de", None])
def test_two_languages_of_one_script_are_told_apart(expected: str | None) -> None:
    text = f"{ENGLISH} {GERMAN} {ENGLISH}"
    found = tags(text, ("en", "de", "fr", "es"), expected)
    true = [
        "en" if "First" in part else "de" for part in (ENGLISH, GERMAN, ENGLISH) for _ in find_words(part)
    ]
    assert sum(one == other for one, other in zip(found, true, strict=True)) >= len(true) - 1


def test_three_languages_among_all_of_their_script() -> None:
    text = f"{GERMAN} {FRENCH} {ENGLISH}"
    counts = Counter(tags(text, script_partners("en"), "en"))
    for code, part in (("de", GERMAN), ("fr", FRENCH), ("en", ENGLISH)):
        assert abs(counts[code] - len(find_words(part))) <= 1, code


@pytest.mark.parametrize(
    "text",
    [
        "Herr Müller felt a certain Schadenfreude when the others lost, and so did the rest of us.",
        "Maria buys 3 tortillas from José, and Giovanni has 5 croissants. How many do they have?",
        "So the car goes 60 km / h, and then 12 km + 15 km = 27 km, 27 km + 8 km = 35 km, "
        "35 km - 10 km = 25 km, 25 km + 30 km = 55 km, 55 km + 5 km = 60 km.",
        "sin cos tan log mod gcd lcm max min",
        "They call it Geschwindigkeitsbegrenzung and we all like it so much.",
        "We met Krzysztof Szczepaniak yesterday and then we went home for the rest of the day.",
        ENGLISH.removesuffix(".") + ", wie man so sagt.",
        "Bonjour le monde",
    ],
)
def test_names_terms_units_and_a_few_words_stay_in_the_expected_language(text: str) -> None:
    assert set(tags(text, script_partners("en"), "en")) == {"en"}


def test_kana_decides_between_chinese_and_japanese() -> None:
    japanese, chinese = (
        "まず二つの数を足してから、結果を三で割ります。",
        "首先把两个数相加，然后把结果除以三。",
    )
    assert set(tags(japanese, ("zh", "ja"), "zh")) == {"ja"}
    assert set(tags(chinese, ("zh", "ja"), "zh")) == {"zh"}
    assert set(tags(chinese, ("zh", "ja"), "ja")) == {"zh"}
    assert set(tags("計算結果", ("zh", "ja"), "ja")) == {"ja"}
    mixed = tags(chinese + japanese, ("zh", "ja"), "zh")
    assert mixed == ["zh"] * len(find_words(chinese)) + ["ja"] * len(find_words(japanese))


def test_chinese_without_kana_needs_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ponder.grading.language_tags.model", None)
    assert set(tags("首先把两个数相加，然后把结果除以三。", ("zh", "ja"), "zh")) == {"zh"}


def test_a_single_kana_in_chinese_is_japanese_and_its_neighbours_are_not() -> None:
    text = "这家店的招牌写着日本的の字，我们都认识。"
    words = find_words(text)
    found = dict(zip((word.text for word in words), tags(text, ("zh", "ja"), "zh"), strict=True))
    assert found.pop("の") == "ja"
    assert set(found.values()) == {"zh"}


@pytest.mark.parametrize(
    ("language", "text", "other"),
    [
        ("ru", "Сначала сложим два числа, а потом разделим результат на три и запишем ответ.", "uk"),
        ("uk", "Спочатку додамо два числа, а потім поділимо результат на три і запишемо відповідь.", "ru"),
        ("bg", "Първо събираме двете числа, а след това делим резултата на три и записваме отговора.", "ru"),
        ("ar", "أولا نجمع العددين، ثم نقسم النتيجة على ثلاثة ونكتب الجواب في النهاية.", "fa"),
        ("fa", "ابتدا دو عدد را با هم جمع می‌کنیم و سپس نتیجه را بر سه تقسیم می‌کنیم.", "ar"),
        ("ur", "پہلے ہم دونوں اعداد کو جمع کرتے ہیں اور پھر نتیجے کو تین سے تقسیم کرتے ہیں۔", "fa"),
        (
            "mr",
            "प्रथम आपण दोन्ही संख्यांची बेरीज करू आणि नंतर उत्तराला तीनने भागू. "
            "शेवटी आपण आपले उत्तर वहीत लिहून ठेवू आणि ते बरोबर आहे का ते तपासून पाहू.",
            "hi",
        ),
    ],
)
def test_other_shared_scripts(language: str, text: str, other: str) -> None:
    own = tags(text, script_partners(language), language)
    assert own.count(language) == len(own)
    assert tags(text, script_partners(other), other).count(other) <= len(own) / 10


def test_every_word_gets_a_tag_of_its_script_or_none() -> None:
    text = f"{GERMAN} {ENGLISH} 先加两数 まず足す Сначала сложим ქართული"
    languages = tuple(LANGUAGE_SCRIPTS)
    for word, code in zip(find_words(text), tags(text, languages), strict=True):
        assert code is not None
        assert word.script in LANGUAGE_SCRIPTS[code]
    assert tags("", languages) == []
