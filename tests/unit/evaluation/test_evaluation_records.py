import pyarrow.parquet as pq
import pytest

from ponder.errors import CorruptionError, DataError, StorageError
from ponder.evaluation import (
    evaluation_from_json,
    evaluation_to_json,
    load_evaluation,
    save_evaluation,
)
from ponder.types import Finish, Verdict


@pytest.fixture
def made(evaluation, problem, outcome):
    return evaluation(
        [
            problem(
                "a",
                [outcome("1"), outcome("2", False, finish=Finish.LENGTH)],
                task="parity",
                prefill="<think>",
            ),
            problem(
                "b", [outcome("", None, text="¿ 等等 \n\t\u0000 🙂"), outcome("0.5", False, credit=0.25)]
            ),
            problem("c", [outcome("1"), outcome("1")], language="zh", question="一加一？"),
        ],
        chance={"parity": 0.5},
        answer_tag=None,
    )


def test_what_is_saved_is_read_back_equal(made, tmp_path):
    save_evaluation(made, tmp_path / "kept")
    assert load_evaluation(tmp_path / "kept") == made


def test_verdicts_come_back_as_verdicts_not_as_their_spelling(made, tmp_path):
    save_evaluation(made, tmp_path / "kept")
    for _, outcome in load_evaluation(tmp_path / "kept").outcomes():
        assert isinstance(outcome.verdict, Verdict)
        assert isinstance(outcome.finish, Finish)


def test_json_and_back(made):
    assert evaluation_from_json(evaluation_to_json(made)) == made


def test_every_transcript_is_a_row_that_other_tools_read(made, tmp_path):
    save_evaluation(made, tmp_path / "kept")
    table = pq.read_table(tmp_path / "kept" / "transcripts.parquet")
    assert table.num_rows == 6
    assert table.column("verdict").to_pylist() == [
        "correct",
        "wrong",
        "ungradable",
        "wrong",
        "correct",
        "correct",
    ]
    assert table.column("text").to_pylist()[2] == "¿ 等等 \n\t\u0000 🙂"
    assert table.column("member").to_pylist() == [0, 1, 0, 1, 0, 1]


def test_equal_evaluations_have_equal_hashes_and_others_do_not(made, evaluation, problem, outcome, tmp_path):
    assert save_evaluation(made, tmp_path / "one") == save_evaluation(made, tmp_path / "two")
    other = evaluation([problem("a", [outcome("1")])])
    assert save_evaluation(other, tmp_path / "three") != save_evaluation(made, tmp_path / "four")


@pytest.mark.parametrize("name", ["evaluation.json", "transcripts.parquet", "manifest.json"])
def test_a_flipped_bit_is_found(made, tmp_path, name):
    save_evaluation(made, tmp_path / "kept")
    data = bytearray((tmp_path / "kept" / name).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "kept" / name).write_bytes(data)
    with pytest.raises(CorruptionError, match=name):
        load_evaluation(tmp_path / "kept")


def test_another_evaluation_never_takes_the_place_of_a_whole_one(
    made, evaluation, problem, outcome, tmp_path
):
    save_evaluation(made, tmp_path / "kept")
    assert save_evaluation(made, tmp_path / "kept")  # the same again is already there
    with pytest.raises(StorageError):
        save_evaluation(evaluation([problem("a", [outcome("1")])]), tmp_path / "kept")
    assert load_evaluation(tmp_path / "kept") == made


def test_no_folder_no_evaluation(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        load_evaluation(tmp_path / "nowhere")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "key": "k"}', "not json"])
def test_another_text_is_no_evaluation(text):
    with pytest.raises(CorruptionError, match="not an evaluation"):
        evaluation_from_json(text)
