"""Words and their scripts, counted by hand."""

import unicodedata

import pytest

from ponder.grading.scripts import LANGUAGE_SCRIPTS, composed, count_words, find_words, script_partners


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("First add 3 and 4", {"latin": 3}),
        ("don't", {"latin": 1}),
        ("x + y = α, so β is it", {"latin": 3}),
        ("γωνία α", {"greek": 1}),
        ("和 и в", {"han": 1, "cyrillic": 2}),
        ("先加两数", {"han": 4}),
        ("まず足す・カタカナ", {"kana": 7, "han": 1}),
        ("人々", {"han": 2}),
        ("ครับ", {"thai": 4}),
        ("먼저 더한다", {"hangul": 2}),
        ("مرحبا، يا صديقي ٣", {"arabic": 3}),
        ("हिन्दी में है।", {"devanagari": 3}),
        ("ქართული ენა", {"georgian": 2}),
        ("ᠮᠣᠩᠭᠣᠯ ᠪᠢᠴᠢᠭ", {"other": 2}),
        ("5 µm, 2ⁿ, x², ℝ, 𝑥, Ⅷ, ½, 〇, 3ª", {}),
        ("Ｈｅｌｌｏ ｶﾅ", {"latin": 1, "kana": 2}),
        ("123 + 45 = ?! _", {}),
    ],
)
def test_words_by_script(text: str, counts: dict[str, int]) -> None:
    assert count_words(text) == counts
    found = find_words(text)
    assert {script: sum(word.script == script for word in found) for script in counts} == counts
    assert len(found) == sum(counts.values())
    assert all(text[word.start :].startswith(word.text) for word in found)


def test_accents_apart_from_their_letters_are_put_together() -> None:
    apart = unicodedata.normalize("NFD", "Élève français, Übung")
    assert [word.text for word in find_words(composed(apart))] == ["Élève", "français", "Übung"]


def test_a_megabyte_of_accents_is_composed_in_linear_time() -> None:
    assert count_words(composed("e" + "\u0301\u0316" * 500_000)) == {}


def test_partners_share_a_script() -> None:
    assert script_partners("ja") == ("zh", "ja")
    assert set(script_partners("ru")) == {"ru", "uk", "bg", "mk"}
    assert script_partners("ko") == ("ko",)
    assert len(script_partners("en")) > 25
    assert all(code in script_partners(code) for code in LANGUAGE_SCRIPTS)
