"""Counts of reflective words."""

from ponder.prompting import count_reflective_words, num_reflective_words


def test_english_words_are_counted_whole_and_in_any_case():
    text = "Wait, wait. WAIT! But the waiter made no mistakes; check it. However, checking is not a check."
    assert count_reflective_words(text) == {"wait": 3, "but": 1, "check": 2, "however": 1}


def test_the_papers_ten_words_count_one_each():
    assert num_reflective_words("wait mistake however but retry error verify wrong evaluate check") == 10


def test_chinese_words_stand_in_running_text_the_longest_first():
    assert count_reflective_words("等一下，不对，重新检查。等等") == {
        "等一下": 1, "不对": 1, "重新": 1, "检查": 1, "等等": 1,
    }  # fmt: skip


def test_a_word_next_to_chinese_or_digits_is_still_a_word():
    assert count_reflective_words("3+4=8wait7错了") == {"wait": 1, "错了": 1}


def test_nothing_to_count():
    assert count_reflective_words("3+4=7 so the button is 7") == {}
