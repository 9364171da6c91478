r"""The 25 verifiable instructions of IFEval (Zhou et al. 2023, arXiv 2311.07911), each a pure function.

Each check says what Google's published program says (google-research, instruction_following_eval), with
these exceptions. Sentences and words in capitals are found by rules here (nltk's model is a download).
Languages are identified by py3langid, not by langdetect, whose answers depend on a random seed; one that
cannot be told counts as wrong, not as right: otherwise an answer of digits follows every such instruction.
Keywords and markers are taken word for word, not as regular expressions. A "letter" that is none (two
prompts of the set ask for # and !) is counted as it is, where the published program draws a random letter.
Every pattern takes linear time, also on hostile text.

A check is given the response and the instruction's own arguments; arguments it does not know are an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from ponder.errors import nearest
from ponder.grading.language_id import identify
from ponder.grading.scripts import LANGUAGE_SCRIPTS
from ponder.grading.sentences import count_capital_words, count_sentences

LESS_THAN, AT_LEAST = "less than", "at least"


def _compare(count: int, relation: str, limit: int) -> bool:
    if relation == LESS_THAN:
        return count < limit
    if relation == AT_LEAST:
        return count >= limit
    raise ValueError(f'relation is "{relation}"; known are "{LESS_THAN}" and "{AT_LEAST}"')


def _find(text: str, pattern: str) -> list[str]:
    return re.findall(pattern, text, re.IGNORECASE)


# --- keywords ---------------------------------------------------------------------------------------


def keywords_exist(response: str, keywords: list[str]) -> bool:
    """Every keyword stands somewhere, in any case, also inside a word."""
    return all(_find(response, re.escape(keyword)) for keyword in keywords)


def keyword_frequency(response: str, keyword: str, frequency: int, relation: str) -> bool:
    """The keyword comes less than, or at least, so many times; also inside words, without overlap."""
    return _compare(len(_find(response, re.escape(keyword.strip()))), relation, frequency)


def no_forbidden_words(response: str, forbidden_words: list[str]) -> bool:
    """None of the words stands as a word of its own."""
    return not any(_find(response, rf"\b{re.escape(word)}\b") for word in forbidden_words)


def letter_frequency(response: str, letter: str, let_frequency: int, let_relation: str) -> bool:
    """The letter, in either case, comes less than, or at least, so many times."""
    return _compare(response.lower().count(letter.strip().lower()), let_relation, let_frequency)


# --- language and case ------------------------------------------------------------------------------


def response_language(response: str, language: str) -> bool:
    """The response as a whole is in the language (ISO 639-1; "zh-cn" is "zh")."""
    code = language.lower().split("-")[0]
    if code not in LANGUAGE_SCRIPTS:
        raise ValueError(f'language "{language}" is unknown.{nearest(code, LANGUAGE_SCRIPTS)}')
    return identify(response) == code


def english_capital(response: str) -> bool:
    """English, and no letter is small."""
    # Classifiers have hardly seen capitals; the language is that of the words.
    return response.isupper() and identify(response.lower()) == "en"


def english_lowercase(response: str) -> bool:
    """English, and no letter is a capital."""
    return response.islower() and identify(response) == "en"


def capital_word_frequency(response: str, capital_frequency: int, capital_relation: str) -> bool:
    """Words all in capitals come less than, or at least, so many times."""
    return _compare(count_capital_words(response), capital_relation, capital_frequency)


# --- length -----------------------------------------------------------------------------------------


def number_sentences(response: str, num_sentences: int, relation: str) -> bool:
    return _compare(count_sentences(response), relation, num_sentences)


def number_words(response: str, num_words: int, relation: str) -> bool:
    """Words are runs of letters, digits and underscores: "don't" is two, as in the published program."""
    return _compare(len(re.findall(r"\w+", response)), relation, num_words)


def number_paragraphs(response: str, num_paragraphs: int) -> bool:
    """Exactly so many paragraphs with *** between them; none of them empty but the first and last."""
    parts = [part.strip() for part in response.split("***")]
    inner = parts[1:-1]
    if not all(inner):
        return False
    return sum(1 for part in parts if part) == num_paragraphs


def nth_paragraph_first_word(response: str, num_paragraphs: int, nth_paragraph: int, first_word: str) -> bool:
    """Exactly so many paragraphs with blank lines between them, and the n-th begins with the word."""
    parts = response.split("\n\n")
    count = sum(1 for part in parts if part.strip())
    # As published: n counts empty parts, the number of paragraphs does not.
    if count != num_paragraphs or not 1 <= nth_paragraph <= count or not parts[nth_paragraph - 1].strip():
        return False
    word = parts[nth_paragraph - 1].split()[0].lstrip("'").lstrip('"')
    return re.split(r"[.,?!'\"]", word, maxsplit=1)[0].lower() == first_word.lower()


# --- content and format -----------------------------------------------------------------------------


def number_placeholders(response: str, num_placeholders: int) -> bool:
    """At least so many [placeholders], each on one line."""
    count = 0
    for line in response.split("\n"):
        place = line.find("[")
        while place >= 0 and (end := line.find("]", place)) >= 0:
            count += 1
            place = line.find("[", end)
    return count >= num_placeholders


def postscript(response: str, postscript_marker: str) -> bool:
    """The marker stands somewhere, with a space between its letters or none."""
    marker = postscript_marker.strip()
    patterns = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
    pattern = patterns.get(marker, re.escape(marker.lower()))
    return re.search(pattern, response.lower()) is not None


def number_bullet_lists(response: str, num_bullets: int) -> bool:
    """Exactly so many lines that begin with * (but not **) or with -."""
    # As published: after a * with nothing behind it, the next line counts as the text of that bullet.
    stars = re.findall(r"^[^\S\n]*\*[^*].*$", response, re.MULTILINE)
    dashes = re.findall(r"^[^\S\n]*-", response, re.MULTILINE)
    return len(stars) + len(dashes) == num_bullets


def constrained_response(response: str) -> bool:
    """One of the three fixed answers stands in it."""
    return any(f"My answer is {word}." in response for word in ("yes", "no", "maybe"))


def number_highlighted_sections(response: str, num_highlights: int) -> bool:
    """At least so many *highlights* or **highlights** with something in them."""
    single = re.findall(r"\*([^\n*]*)\*", response)
    double = re.findall(r"\*\*([^\n*]*)\*\*", response)
    return sum(1 for text in (*single, *double) if text.strip()) >= num_highlights


def multiple_sections(response: str, section_spliter: str, num_sections: int) -> bool:
    """At least so many headings "Section 1", "Section 2", ..."""
    return len(re.findall(re.escape(section_spliter.strip()) + r"\s?\d", response)) >= num_sections


def json_format(response: str) -> bool:
    """The whole response is JSON, in a code block or not."""
    text = response.strip()
    for opening in ("```json", "```Json", "```JSON", "```"):
        text = text.removeprefix(opening)
    try:
        json.loads(text.removesuffix("```").strip())
    except (ValueError, RecursionError):
        return False
    return True


def title(response: str) -> bool:
    """A title in <<double angle brackets>>, on one line, that is not empty."""
    for line in response.split("\n"):
        start, end = line.find("<<"), line.rfind(">>")
        if 0 <= start < end and line[start:end].lstrip("<").rstrip(">").strip():
            return True
    return False


# --- combination, start and end, punctuation ----------------------------------------------------------


def two_responses(response: str) -> bool:
    """Two different responses with ****** between them."""
    parts = [part.strip() for part in response.split("******")]
    if not all(parts[1:-1]):
        return False
    given = [part for part in parts if part]
    return len(given) == 2 and given[0] != given[1]


def repeat_prompt(response: str, prompt_to_repeat: str) -> bool:
    """It begins with the prompt, word for word."""
    return response.strip().lower().startswith(prompt_to_repeat.strip().lower())


def end_checker(response: str, end_phrase: str) -> bool:
    """It ends with the phrase; a quotation mark may follow."""
    return response.strip().strip('"').lower().endswith(end_phrase.strip().lower())


def quotation(response: str) -> bool:
    """All of it stands in double quotation marks."""
    text = response.strip()
    return len(text) > 1 and text[0] == '"' and text[-1] == '"'


def no_comma(response: str) -> bool:
    return "," not in response


CHECKS: dict[str, Callable[..., bool]] = {
    "keywords:existence": keywords_exist,
    "keywords:frequency": keyword_frequency,
    "keywords:forbidden_words": no_forbidden_words,
    "keywords:letter_frequency": letter_frequency,
    "language:response_language": response_language,
    "length_constraints:number_sentences": number_sentences,
    "length_constraints:number_paragraphs": number_paragraphs,
    "length_constraints:number_words": number_words,
    "length_constraints:nth_paragraph_first_word": nth_paragraph_first_word,
    "detectable_content:number_placeholders": number_placeholders,
    "detectable_content:postscript": postscript,
    "detectable_format:number_bullet_lists": number_bullet_lists,
    "detectable_format:constrained_response": constrained_response,
    "detectable_format:number_highlighted_sections": number_highlighted_sections,
    "detectable_format:multiple_sections": multiple_sections,
    "detectable_format:json_format": json_format,
    "detectable_format:title": title,
    "combination:two_responses": two_responses,
    "combination:repeat_prompt": repeat_prompt,
    "startend:end_checker": end_checker,
    "startend:quotation": quotation,
    "change_case:capital_word_frequency": capital_word_frequency,
    "change_case:english_capital": english_capital,
    "change_case:english_lowercase": english_lowercase,
    "punctuation:no_comma": no_comma,
}
"""Every instruction by IFEval's name."""

LANGUAGE_CHECKS = frozenset(
    ("language:response_language", "change_case:english_capital", "change_case:english_lowercase")
)
"""Those that cannot be had without py3langid."""
