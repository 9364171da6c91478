from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ponder.errors import CorruptionError, StorageError
from ponder.storage import crashpoints
from ponder.storage.checkpoints import (
    checkpoint_numbers,
    latest_checkpoint,
    open_checkpoint,
    retain_checkpoints,
    save_checkpoint,
)
from ponder.storage.hashes import hash_file
from ponder.storage.manifest import verify_directory


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    monkeypatch.setattr(crashpoints, "_hits", crashpoints.Counter())


def write_model(folder: Path) -> None:
    weight = torch.linspace(-1, 1, 300)
    save_file(
        {"model.embed_tokens.weight": weight, "lm_head.weight": weight * 2}, folder / "model.safetensors"
    )
    (folder / "config.json").write_text('{"model_type": "qwen2"}\n')


def trained(steps: int = 3) -> torch.optim.AdamW:
    """An optimizer with a real state, the same each time."""
    weights = [torch.nn.Parameter(torch.linspace(-1, 1, 50)), torch.nn.Parameter(torch.ones(4, 5))]
    optimizer = torch.optim.AdamW(weights, lr=1e-3, betas=(0.9, 0.95))
    for step in range(steps):
        for weight in weights:
            weight.grad = torch.sin(weight.detach() + step)
        optimizer.step()
    return optimizer


def state() -> dict:
    generator = torch.Generator().manual_seed(5)
    return {
        "optimizer": trained().state_dict(),
        "random": generator.get_state(),
        "cursor": {"iteration": 3, "epoch": 0},
    }


def save(folder: Path, number: int = 3) -> Path:
    return save_checkpoint(folder, number, write_model, state()).path


def same(left, right) -> bool:
    """Equality that knows tensors and types."""
    if type(left) is not type(right):
        return False
    if isinstance(left, torch.Tensor):
        return left.dtype == right.dtype and left.shape == right.shape and torch.equal(left, right)
    if isinstance(left, dict):
        return (
            list(map(type, left)) == list(map(type, right))
            and left.keys() == right.keys()
            and all(same(left[key], right[key]) for key in left)
        )
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right or (left != left and right != right)


# --- what comes back -------------------------------------------------------------------------------


def test_equal_states_give_equal_bytes(tmp_path):
    one, two = save(tmp_path / "one"), save(tmp_path / "two")
    names = sorted(path.relative_to(one).as_posix() for path in one.rglob("*") if path.is_file())
    assert names == [
        "config.json",
        "manifest.json",
        "model.safetensors",
        "trainer/state.json",
        "trainer/tensors.safetensors",
    ]
    assert [hash_file(one / name) for name in names] == [hash_file(two / name) for name in names]


def test_the_order_of_keys_does_not_change_the_bytes(tmp_path):
    forward = {"a": torch.ones(3), "b": torch.zeros(2, dtype=torch.int64), "n": 1}
    backward = dict(reversed(forward.items()))
    hashes = {
        save_checkpoint(tmp_path / str(i), 1, write_model, it).sha256
        for i, it in enumerate((forward, backward))
    }
    assert len(hashes) == 1


def test_any_change_of_the_state_changes_the_hash(tmp_path):
    changed = [
        {},
        {"a": 1},
        {"a": 1.0},
        {"a": True},
        {"a": "1"},
        {"a": (1,)},
        {"a": [1]},
        {"a": torch.tensor(1)},
        {"a": torch.tensor(1.0)},
        {1: "a"},
        {"1": "a"},
        {"a": None},
        {"a": b"1"},
    ]
    hashes = {save_checkpoint(tmp_path / str(i), 1, write_model, it).sha256 for i, it in enumerate(changed)}
    assert len(hashes) == len(changed)


def test_the_trainers_state_comes_back_with_its_types(tmp_path):
    given = {
        **state(),
        "numbers": [0, -1, 2**70, 0.1, 1e-300, float("inf"), float("-inf"), float("nan"), True, None],
        "text": "思考 \ud800 $tensor",
        "bytes": b"\x00\xff",
        "tuple": (1, (2.5, "x"), []),
        "keys": {0: "zero", -3: {"deep": torch.arange(3)}, "mixed": 1},
        "tags": {"$tensor": "not one"},
        "paths": {"a/b": torch.ones(1), "a": {"b": torch.zeros(1)}, "a~1b": torch.full((1,), 2.0)},
        "kinds": [
            torch.zeros(2, dtype=kind)
            for kind in (torch.bfloat16, torch.float16, torch.float64, torch.bool, torch.uint8)
        ],
        "empty": torch.zeros(0, 3),
        "": 1,
    }
    saved = save_checkpoint(tmp_path, 3, write_model, given)
    found = saved.trainer_state()
    assert same(found, _sorted_like(given, found))
    assert not same({"a": 1}, {"a": 1.0})


def _sorted_like(given: dict, found: dict) -> dict:
    """`given` with its keys, at every depth, in the order of `found`: order is not part of a state."""
    if isinstance(given, dict) and isinstance(found, dict) and given.keys() == found.keys():
        return {key: _sorted_like(given[key], found[key]) for key in found}
    if isinstance(given, (list, tuple)) and isinstance(found, (list, tuple)) and len(given) == len(found):
        return type(given)(map(_sorted_like, given, found))
    return given


def test_an_optimizer_goes_on_from_its_state_bit_for_bit(tmp_path):
    straight = trained(6)
    saved = save_checkpoint(
        tmp_path,
        3,
        write_model,
        {
            "optimizer": trained(3).state_dict(),
            "weights": [w.detach() for w in trained(3).param_groups[0]["params"]],
        },
    )
    found = saved.trainer_state()
    weights = [torch.nn.Parameter(weight.clone()) for weight in found["weights"]]
    resumed = torch.optim.AdamW(weights, lr=1.0)
    resumed.load_state_dict(found["optimizer"])
    for step in range(3, 6):
        for weight in weights:
            weight.grad = torch.sin(weight.detach() + step)
        resumed.step()
    for left, right in zip(weights, straight.param_groups[0]["params"], strict=True):
        assert torch.equal(left, right)


def test_tensors_that_share_memory_are_kept_apart(tmp_path):
    whole = torch.arange(10.0)
    given = {"whole": whole, "again": whole, "part": whole[2:5], "turned": whole.reshape(2, 5).T}
    found = save_checkpoint(tmp_path, 1, write_model, given).trainer_state()
    assert same(_sorted_like(given, found), {key: found[key] for key in found})
    assert (tmp_path / "checkpoint-00000001" / "trainer" / "tensors.safetensors").stat().st_size < 1000


@pytest.mark.parametrize(
    ("bad", "place"),
    [
        ({"a": {"b": object()}}, "/a/b"),
        ({"a": [set()]}, "/a/0"),
        ({"a": {1.5: 2}}, "1.5"),
        ({"a": {1: 2, "1": 3}}, "/a"),
        ({"a": torch.zeros(1, dtype=torch.complex64)}, "/a"),
    ],
)
def test_a_state_that_cannot_be_kept_is_named(tmp_path, bad, place):
    with pytest.raises(TypeError, match=place):
        save_checkpoint(tmp_path, 1, write_model, bad)
    assert checkpoint_numbers(tmp_path) == []


def test_the_model_files_are_the_callers(tmp_path):
    path = save(tmp_path)
    assert load_file(path / "model.safetensors")["lm_head.weight"].numel() == 300


# --- damage ----------------------------------------------------------------------------------------


def files_of(path: Path) -> list[Path]:
    return sorted(found for found in path.rglob("*") if found.is_file())


def test_a_flipped_bit_is_found_wherever_it_is(tmp_path):
    path = save(tmp_path)
    flips = 0
    for file in files_of(path):
        data = file.read_bytes()
        for place in sorted({*range(0, len(data), max(1, len(data) // 64)), 7, len(data) - 1}):
            if place >= len(data):
                continue
            flipped = bytearray(data)
            flipped[place] ^= 1 << (place % 8)
            file.write_bytes(flipped)
            with pytest.raises(CorruptionError):
                verify_directory(path)
            flips += 1
        file.write_bytes(data)
    assert flips > 5 * 20
    verify_directory(path)


def test_a_cut_or_lengthened_file_is_found(tmp_path):
    path = save(tmp_path)
    for file in files_of(path):
        data = file.read_bytes()
        for changed in (data[:-1], data[: len(data) // 2], b"", data + b"\0", data + b"\n"):
            file.write_bytes(changed)
            with pytest.raises(CorruptionError, match=file.name):
                verify_directory(path)
        file.write_bytes(data)


def test_two_files_that_changed_places_are_found(tmp_path):
    path = save(tmp_path)
    files = files_of(path)
    for one in files:
        for two in files:
            if one < two:
                left, right = one.read_bytes(), two.read_bytes()
                one.write_bytes(right)
                two.write_bytes(left)
                with pytest.raises(CorruptionError):
                    verify_directory(path)
                one.write_bytes(left)
                two.write_bytes(right)


def test_a_file_of_an_older_checkpoint_is_found(tmp_path):
    path = save(tmp_path, 3)
    older = save_checkpoint(tmp_path, 2, write_model, {"cursor": 2}).path
    shutil.copy(older / "trainer" / "state.json", path / "trainer" / "state.json")
    with pytest.raises(CorruptionError, match=r"trainer/state\.json"):
        verify_directory(path)


def test_no_tensor_is_read_from_a_damaged_state(tmp_path, monkeypatch):
    saved = save_checkpoint(tmp_path, 3, write_model, state())
    tensors = saved.path / "trainer" / "tensors.safetensors"
    data = bytearray(tensors.read_bytes())
    data[-1] ^= 64
    tensors.write_bytes(data)
    load_file(tensors)  # the format itself sees nothing wrong
    with pytest.raises(CorruptionError, match=r"tensors\.safetensors"):
        saved.trainer_state()


# --- which one -------------------------------------------------------------------------------------


def damage(path: Path) -> None:
    model = path / "model.safetensors"
    data = bytearray(model.read_bytes())
    data[-2] ^= 1
    model.write_bytes(data)


def test_the_latest_is_the_newest_that_verifies(tmp_path):
    assert latest_checkpoint(tmp_path / "none") is None
    for number in (9, 10, 11):
        save(tmp_path, number)
    assert latest_checkpoint(tmp_path).number == 11
    damage(tmp_path / "checkpoint-00000011")
    with pytest.raises(CorruptionError, match="go on from checkpoint 10"):
        latest_checkpoint(tmp_path)
    said: list[str] = []
    found = latest_checkpoint(tmp_path, fall_back=True, announce=said.append)
    assert found.number == 10
    assert len(said) == 1
    assert "checkpoint-00000011" in said[0]
    assert "model.safetensors" in said[0]


def test_no_good_checkpoint_is_not_the_same_as_none(tmp_path):
    for number in (1, 2):
        damage(save(tmp_path, number))
    with pytest.raises(CorruptionError, match="No checkpoint in"):
        latest_checkpoint(tmp_path, fall_back=True, announce=lambda text: None)


def test_leftovers_and_strangers_are_no_checkpoints(tmp_path):
    path = save(tmp_path, 4)
    shutil.copytree(path, tmp_path / "checkpoint-00000007.tmp-0123456789abcdef")
    (tmp_path / "notes").mkdir()
    assert checkpoint_numbers(tmp_path) == [4]
    with pytest.raises(StorageError, match="no checkpoint"):
        open_checkpoint(tmp_path / "notes")


def test_a_damaged_checkpoint_is_replaced_when_its_iterations_were_made_again(tmp_path):
    path = save(tmp_path, 4)
    digest = open_checkpoint(path).sha256
    damage(path)
    assert save_checkpoint(tmp_path, 4, write_model, state()).sha256 == digest
    assert open_checkpoint(path).sha256 == digest
    assert save(tmp_path, 4) == path
    with pytest.raises(StorageError, match="other content"):
        save_checkpoint(tmp_path, 4, write_model, {})


# --- which ones stay -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "keep", "best", "every", "stay"),
    [
        ([2, 4, 6, 8], 2, None, None, [6, 8]),
        ([2, 4, 6, 8], 1, 2, None, [2, 8]),
        ([2, 4, 6, 8], 5, None, None, [2, 4, 6, 8]),
        ([2, 4, 6, 8], 2, 8, None, [6, 8]),
        ([2, 4, 5, 6], 2, None, 2, [4, 6]),  # 5: the run was interrupted there
        ([2, 4, 5], 2, None, 2, [4, 5]),
        ([2, 3], 1, None, 2, [3]),
        ([10, 12], 2, None, 10, [10, 12]),  # 12: the end
        ([9999, 100000000], 1, None, None, [100000000]),
    ],
)
def test_the_newest_and_the_best_stay(tmp_path, numbers, keep, best, every, stay):
    for number in numbers:
        save(tmp_path, number)
    removed = retain_checkpoints(tmp_path, keep=keep, best=best, every=every)
    assert checkpoint_numbers(tmp_path) == stay
    assert sorted([*removed, *stay]) == numbers
    assert len(list(tmp_path.iterdir())) == len(stay)


def test_nothing_is_removed_while_the_newest_is_damaged(tmp_path):
    for number in (2, 4, 6):
        save(tmp_path, number)
    damage(tmp_path / "checkpoint-00000006")
    with pytest.raises(CorruptionError):
        retain_checkpoints(tmp_path, keep=1)
    assert checkpoint_numbers(tmp_path) == [2, 4, 6]


# --- full disks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["before-build", "after-build", "after-sync", "after-manifest"])
def test_a_full_disk_keeps_the_last_good_checkpoint(monkeypatch, tmp_path, point):
    save(tmp_path, 2)
    monkeypatch.setattr(crashpoints, "_hits", crashpoints.Counter())
    monkeypatch.setenv("PONDER_FAULT", f"enospc:checkpoint/{point}:1+")
    with pytest.raises(StorageError, match="disk is full"):
        save(tmp_path, 4)
    monkeypatch.delenv("PONDER_FAULT")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-00000002"]
    save(tmp_path, 4)
    assert latest_checkpoint(tmp_path).number == 4


def test_an_error_hidden_in_the_text_of_the_safetensors_library_is_a_disk_error(tmp_path):
    from safetensors import SafetensorError

    def full(folder: Path) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    def other(folder: Path) -> None:
        raise SafetensorError("InvalidHeader")

    with pytest.raises(StorageError, match="disk is full"):
        save_checkpoint(tmp_path, 4, full, {})
    with pytest.raises(SafetensorError, match="InvalidHeader"):
        save_checkpoint(tmp_path, 4, other, {})
    assert list(tmp_path.iterdir()) == []
