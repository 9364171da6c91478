"""Which language a text is in."""

from __future__ import annotations

import importlib.util
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ponder.errors import PreflightError, RecipeError
from ponder.grading import check_reference, language_id
from ponder.grading.language_id import identify
from ponder.types import Problem

SENTENCES = {
    "en": "The weather is fine today, and we are going to walk in the park after lunch.",
    "de": "Das Wetter ist heute schön, und nach dem Mittagessen gehen wir in den Park.",
    "fr": "Il fait beau aujourd'hui, et nous irons nous promener dans le parc après le déjeuner.",
    "es": "Hoy hace buen tiempo, y después de comer vamos a dar un paseo por el parque.",
    "it": "Oggi il tempo è bello, e dopo pranzo andremo a fare una passeggiata nel parco.",
    "pt": "Hoje o tempo está bom, e depois do almoço vamos passear no parque.",
    "nl": "Het weer is vandaag mooi, en na de lunch gaan we wandelen in het park.",
    "fi": "Tänään on kaunis ilma, ja lounaan jälkeen menemme kävelylle puistoon.",
    "vi": "Hôm nay trời đẹp, và sau bữa trưa chúng tôi sẽ đi dạo trong công viên.",
    "sw": "Hali ya hewa ni nzuri leo, na baada ya chakula cha mchana tutatembea katika bustani.",
    "ru": "Сегодня хорошая погода, и после обеда мы пойдём гулять в парк.",
    "uk": "Сьогодні гарна погода, і після обіду ми підемо гуляти до парку.",
    "bg": "Днес времето е хубаво и след обяд ще отидем на разходка в парка.",
    "ar": "الطقس جميل اليوم، وبعد الغداء سنذهب في نزهة إلى الحديقة.",
    "fa": "امروز هوا خوب است و بعد از ناهار برای قدم زدن به پارک می‌رویم.",
    "ur": "آج موسم اچھا ہے اور دوپہر کے کھانے کے بعد ہم پارک میں سیر کے لیے جائیں گے۔",
    "hi": "आज मौसम अच्छा है और दोपहर के खाने के बाद हम पार्क में घूमने जाएँगे।",
    "mr": "आज हवामान चांगले आहे आणि दुपारच्या जेवणानंतर आम्ही उद्यानात फिरायला जाणार आहोत.",
    "ne": "आज मौसम राम्रो छ र खाजा खाएपछि हामी पार्कमा घुम्न जानेछौं।",
    "zh": "今天天气很好，午饭以后我们去公园散步。",
    "ja": "今日は天気がいいので、昼食の後で公園を散歩します。",
    "ko": "오늘은 날씨가 좋아서 점심을 먹고 공원에 산책하러 갈 거예요.",
    "el": "Σήμερα ο καιρός είναι καλός και μετά το φαγητό θα πάμε βόλτα στο πάρκο.",
    "th": "วันนี้อากาศดี หลังอาหารกลางวันเราจะไปเดินเล่นในสวนสาธารณะ",
    "ta": "இன்று வானிலை நன்றாக உள்ளது, மதிய உணவுக்குப் பிறகு பூங்காவில் நடக்கப் போகிறோம்.",
    "te": "ఈరోజు వాతావరణం బాగుంది, భోజనం తర్వాత మేము పార్కుకు వెళ్తాము.",
    "kn": "ಇಂದು ಹವಾಮಾನ ಚೆನ್ನಾಗಿದೆ, ಊಟದ ನಂತರ ನಾವು ಉದ್ಯಾನಕ್ಕೆ ಹೋಗುತ್ತೇವೆ.",
    "pa": "ਅੱਜ ਮੌਸਮ ਚੰਗਾ ਹੈ ਅਤੇ ਦੁਪਹਿਰ ਦੇ ਖਾਣੇ ਤੋਂ ਬਾਅਦ ਅਸੀਂ ਪਾਰਕ ਜਾਵਾਂਗੇ।",
    "gu": "આજે હવામાન સારું છે અને બપોરના ભોજન પછી અમે બગીચામાં ફરવા જઈશું.",
    "bn": "আজ আবহাওয়া ভালো, আর দুপুরের খাবারের পরে আমরা পার্কে হাঁটতে যাব।",
}


@pytest.mark.parametrize("language", SENTENCES)
def test_a_sentence_is_identified(language: str) -> None:
    assert identify(SENTENCES[language]) == language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("", None),
        ("12345 + 6 = 7!", None),
        ("x", None),
        ("東京都", "zh"),
        ("東京都です", "ja"),
        ("他在东京的一家叫「かもめ」的餐厅工作，每天都很忙，晚上很晚才能回家休息。", "zh"),
        ("THE WEATHER IS FINE TODAY AND WE ARE GOING TO THE PARK.", "en"),
        ("Das Wort bedeutet auf Chinesisch 天气, und das Wetter ist heute schön.", "de"),
    ],
)
def test_hard_cases(text: str, language: str | None) -> None:
    assert identify(text) == language


def test_candidates_narrow_the_choice() -> None:
    assert identify("museum", ["de", "zh"]) == "de"
    assert identify(SENTENCES["uk"], ["ru", "en"]) == "ru"
    assert identify(SENTENCES["ru"], ["en", "zh"]) is None
    with pytest.raises(RecipeError, match='"xx"'):
        identify("text", ["en", "xx"])


def test_threads_load_the_model_once_and_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = []
    original = language_id._load.__wrapped__

    def load() -> Any:
        loads.append(1)
        return original()

    monkeypatch.setattr(language_id, "_load", language_id.lru_cache(maxsize=1)(load))
    language_id.model.cache_clear()
    texts = [*SENTENCES.values()] * 8
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(identify, texts))
    assert together == [*SENTENCES] * 8
    assert loads == [1]


def test_without_the_model_a_reference_is_an_error_not_a_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "py3langid" else find(name, *rest)
    )
    language_id.require_model.cache_clear()
    reference = '{"instruction_id_list": ["%s"], "kwargs": [{"language": "sv"}]}'
    for name in (
        "language:response_language",
        "change_case:english_capital",
        "change_case:english_lowercase",
    ):
        asked = Problem("p", "t", ({"role": "user", "content": "?"},), "ifeval", reference % name)
        with pytest.raises(PreflightError, match="pip install py3langid"):
            check_reference(asked)
    language_id.require_model.cache_clear()
