import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from crash_disk import RecordingDisk

from ponder.errors import CorruptionError, StorageError
from ponder.storage import crashpoints, files
from ponder.storage.files import (
    append_durably,
    make_folder_durably,
    publish_directory,
    remove_durably,
    sweep_leftovers,
    truncate_durably,
    write_file_durably,
)
from ponder.storage.hashes import MANIFEST, hash_directory, hash_file
from ponder.storage.manifest import verify_directory
from ponder.storage.space import check_space, format_bytes


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    monkeypatch.setattr(crashpoints, "_hits", crashpoints.Counter())


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """The system calls made from here on, temporary names shortened."""
    recorder = RecordingDisk(tmp_path)
    monkeypatch.setattr(files, "disk", recorder)
    return lambda: [_short(call) for call in recorder.calls]


def _short(call):
    verb, path = call
    return verb, "/".join(files._LEFTOVER.sub(".tmp", part) for part in path.split("/"))


def build(folder: Path, text: str = "weights") -> None:
    (folder / "model.safetensors").write_text(text)
    (folder / "trainer").mkdir()
    (folder / "trainer" / "state.json").write_text("{}")


# --- order of calls --------------------------------------------------------------------------------


def test_a_file_is_written_flushed_synced_renamed_and_its_folder_synced(calls, tmp_path):
    write_file_durably(tmp_path / "a.json", b"new")
    assert calls() == [
        ("create", "a.json.tmp"),
        ("write", "a.json.tmp"),
        ("flush", "a.json.tmp"),
        ("sync", "a.json.tmp"),
        ("rename", "a.json"),
        ("sync_path", "."),
    ]
    assert (tmp_path / "a.json").read_bytes() == b"new"


def test_a_folder_has_its_files_synced_then_its_manifest_written_then_its_folders_synced(calls, tmp_path):
    publish_directory(build, tmp_path / "c")
    assert calls() == [
        ("make_folder", "c.tmp"),
        ("sync_path", "c.tmp/model.safetensors"),
        ("sync_path", "c.tmp/trainer/state.json"),
        ("create", "c.tmp/manifest.json"),
        ("write", "c.tmp/manifest.json"),
        ("flush", "c.tmp/manifest.json"),
        ("sync", "c.tmp/manifest.json"),
        ("sync_path", "c.tmp/trainer"),
        ("sync_path", "c.tmp"),
        ("rename", "c"),
        ("sync_path", "."),
    ]


def test_an_append_is_flushed_and_synced_and_a_new_file_enters_its_folder(calls, tmp_path):
    append_durably(tmp_path / "m.jsonl", b"1\n", label="metrics")
    append_durably(tmp_path / "m.jsonl", b"2\n", label="metrics")
    append = [("append", "m.jsonl"), ("write", "m.jsonl"), ("flush", "m.jsonl"), ("sync", "m.jsonl")]
    assert calls() == [*append, ("sync_path", "."), *append]


def test_cutting_removing_and_making_folders_are_synced_too(calls, tmp_path):
    (tmp_path / "m").write_bytes(b"12345")
    truncate_durably(tmp_path / "m", 2)
    remove_durably(tmp_path / "m")
    make_folder_durably(tmp_path / "a" / "b")
    assert calls() == [
        ("truncate", "m"),
        ("sync_path", "m"),
        ("rename", "m.tmp"),
        ("sync_path", "."),
        ("remove", "m.tmp"),
        ("make_folder", "a"),
        ("sync_path", "."),
        ("make_folder", "a/b"),
        ("sync_path", "a"),
    ]


def test_the_system_really_syncs(tmp_path):
    """The double above stands for calls that reach the kernel in this order."""
    program = (
        "from pathlib import Path; from ponder.storage.files import write_file_durably as w; import sys;"
        "w(Path(sys.argv[1]), b'x' * 10)"
    )
    trace = tmp_path / "trace"
    command = [
        "strace",
        "-f",
        "-e",
        "trace=openat,write,fsync,rename",
        "-o",
        str(trace),
        sys.executable,
        "-c",
        program,
    ]
    try:
        subprocess.run([*command, str(tmp_path / "a.json")], check=True, capture_output=True, timeout=60)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("strace is not available here")
    lines = trace.read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if "a.json.tmp-" in line)
    verbs = [line.split("(")[0].split()[-1] for line in lines[first:]]
    assert verbs[:6] == ["openat", "write", "fsync", "rename", "openat", "fsync"]


# --- publishing ------------------------------------------------------------------------------------


def test_a_published_folder_verifies_and_hashes_as_its_content(tmp_path):
    digest = publish_directory(build, tmp_path / "c")
    (tmp_path / "plain").mkdir()
    build(tmp_path / "plain")
    assert verify_directory(tmp_path / "c") == digest == hash_directory(tmp_path / "c")
    assert hash_directory(tmp_path / "plain") == digest
    (tmp_path / "plain" / "timing.json").write_text("3 s")
    (tmp_path / "plain" / "trainer" / "timing.jsonl").write_text("3 s")
    assert hash_directory(tmp_path / "plain") == digest
    (tmp_path / "plain" / "overtiming.json").write_text("3 s")
    assert hash_directory(tmp_path / "plain") != digest


def test_the_hash_knows_names_and_contents_apart(tmp_path):
    hashes = set()
    for number, (name, text) in enumerate([("a", "bc"), ("ab", "c"), ("b", "bc"), ("a", "cb")]):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / name).write_text(text)
        hashes.add(hash_directory(folder))
    assert len(hashes) == 4


def test_an_existing_folder_is_never_overwritten(tmp_path):
    digest = publish_directory(build, tmp_path / "c")
    with pytest.raises(StorageError, match="never overwritten"):
        publish_directory(lambda folder: build(folder, "other"), tmp_path / "c", replace_corrupt=True)
    assert publish_directory(build, tmp_path / "c") == digest
    assert verify_directory(tmp_path / "c") == digest
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_a_damaged_folder_is_replaced_only_when_asked(tmp_path):
    digest = publish_directory(build, tmp_path / "c")
    (tmp_path / "c" / "model.safetensors").write_text("weightz")
    with pytest.raises(CorruptionError, match=r"model\.safetensors"):
        publish_directory(build, tmp_path / "c")
    assert publish_directory(build, tmp_path / "c", replace_corrupt=True) == digest
    assert verify_directory(tmp_path / "c") == digest
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_an_error_of_the_builder_passes_and_leaves_nothing(tmp_path):
    def fails(folder: Path) -> None:
        build(folder)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        publish_directory(fails, tmp_path / "c")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["link", "folder link", "pipe"])
def test_links_and_pipes_are_refused(tmp_path, kind):
    def strange(folder: Path) -> None:
        build(folder)
        if kind == "pipe":
            os.mkfifo(folder / "x")
        else:
            (folder / "x").symlink_to(tmp_path if kind == "folder link" else folder / "model.safetensors")

    with pytest.raises(StorageError, match="x is"):
        publish_directory(strange, tmp_path / "c")
    assert list(tmp_path.iterdir()) == []


def test_the_hash_of_a_downloaded_model_follows_links_to_its_files(tmp_path):
    (tmp_path / "blob").write_text("weights")
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot" / "model.safetensors").symlink_to(tmp_path / "blob")
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "model.safetensors").write_text("weights")
    assert hash_directory(tmp_path / "snapshot") == hash_directory(tmp_path / "plain")


# --- damage ----------------------------------------------------------------------------------------


def test_the_message_names_the_file_and_both_hashes(tmp_path):
    publish_directory(build, tmp_path / "c")
    model = tmp_path / "c" / "model.safetensors"
    expected = hash_file(model)
    model.write_text("Weights")
    with pytest.raises(CorruptionError) as caught:
        verify_directory(tmp_path / "c")
    message = str(caught.value)
    assert "model.safetensors" in message
    assert expected in message
    assert hash_file(model) in message


@pytest.mark.parametrize(
    "damage", ["missing", "extra", "renamed", "no manifest", "cut manifest", "other manifest", "gone"]
)
def test_a_folder_that_is_not_whole_does_not_verify(tmp_path, damage):
    folder = tmp_path / "c"
    publish_directory(build, folder)
    model, manifest = folder / "model.safetensors", folder / MANIFEST
    if damage == "missing":
        model.unlink()
    elif damage == "extra":
        (folder / "old.safetensors").write_text("")
    elif damage == "renamed":
        model.rename(folder / "model2.safetensors")
    elif damage == "no manifest":
        manifest.unlink()
    elif damage == "cut manifest":
        manifest.write_bytes(manifest.read_bytes()[:-1])
    elif damage == "other manifest":
        manifest.write_text("[1]")
    else:
        remove_durably(folder)
    with pytest.raises(CorruptionError):
        verify_directory(folder)


# --- leftovers -------------------------------------------------------------------------------------


def test_only_leftovers_are_swept(tmp_path):
    deep = tmp_path / "stages" / "01-zero"
    deep.mkdir(parents=True)
    (deep / "a.tmp-0123456789abcdef").mkdir()
    (deep / "a.tmp-0123456789abcdef" / "b.tmp-0123456789abcdef").write_text("x")
    (deep / "m.json.tmp-00000000000000ff").write_text("x")
    (deep / "link.tmp-00000000000000fe").symlink_to(tmp_path)
    for name in ("notes.tmp", "a.tmp-0123", "b.tmp-0123456789abcdef.txt", "c.tmp-0123456789ABCDEF"):
        (deep / name).write_text("mine")
    swept = sweep_leftovers(tmp_path)
    assert [path.name[-4:] for path in swept] == ["cdef", "00fe", "00ff"]
    assert len(list(deep.iterdir())) == 4


# --- full and read-only disks ----------------------------------------------------------------------

WRITE_POINTS = ["record/before-write", "record/during-write", "record/after-sync"]
PUBLISH_POINTS = [f"artifact/{p}" for p in ("before-build", "after-build", "after-sync", "after-manifest")]


@pytest.mark.parametrize("point", WRITE_POINTS)
@pytest.mark.parametrize("fault", ["enospc", "eio", "erofs", "edquot"])
def test_a_failed_write_keeps_the_old_file_and_leaves_no_draft(monkeypatch, tmp_path, point, fault):
    write_file_durably(tmp_path / "a", b"old")
    monkeypatch.setattr(crashpoints, "_hits", crashpoints.Counter())
    monkeypatch.setenv("PONDER_FAULT", f"{fault}:{point}:1+")
    with pytest.raises(StorageError) as caught:
        write_file_durably(tmp_path / "a", b"new" * 1000)
    assert caught.value.exit_code == 5
    if fault == "enospc":
        assert "2.9 KiB needed" in str(caught.value)
        assert "free" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"
    monkeypatch.delenv("PONDER_FAULT")
    write_file_durably(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


@pytest.mark.parametrize("point", PUBLISH_POINTS)
@pytest.mark.parametrize("fault", ["enospc", "eio"])
def test_a_failed_publication_leaves_nothing(monkeypatch, tmp_path, point, fault):
    monkeypatch.setenv("PONDER_FAULT", f"{fault}:{point}:1+")
    with pytest.raises(StorageError):
        publish_directory(build, tmp_path / "c")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.delenv("PONDER_FAULT")
    publish_directory(build, tmp_path / "c")


def test_a_failed_append_is_cut_off_again(monkeypatch, tmp_path):
    path = tmp_path / "m.jsonl"
    append_durably(path, b"first\n", label="metrics")
    monkeypatch.setenv("PONDER_FAULT", "enospc:metrics/during-append")
    with pytest.raises(StorageError, match="7 bytes needed"):
        append_durably(path, b"second\n", label="metrics")
    assert path.read_bytes() == b"first\n"
    append_durably(path, b"third\n", label="metrics")
    assert path.read_bytes() == b"first\nthird\n"


def test_a_limit_on_file_size_stops_a_write_and_an_append_cleanly(tmp_path):
    """The kernel, not a double, refuses in the middle of the data."""
    append_durably(tmp_path / "m", b"first\n", label="metrics")
    child = os.fork()
    if child == 0:
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        failures = 0
        for action in (
            lambda: append_durably(tmp_path / "m", b"x" * 100_000 + b"\n", label="metrics"),
            lambda: write_file_durably(tmp_path / "a", b"x" * 100_000),
            lambda: publish_directory(lambda folder: build(folder, "x" * 100_000), tmp_path / "c"),
        ):
            try:
                action()
            except StorageError as error:
                failures += "ulimit" in str(error)
        os._exit(failures)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    assert (tmp_path / "m").read_bytes() == b"first\n"


SMALL_DISK = """
import sys
from pathlib import Path
from ponder.errors import StorageError
from ponder.storage.files import append_durably, publish_directory, write_file_durably
from ponder.storage.space import check_space
root = Path(sys.argv[1])
write_file_durably(root / "a", b"old")
append_durably(root / "m", b"first\\n", label="metrics")
big = b"x" * 400_000
for action in (
    lambda: write_file_durably(root / "a", big),
    lambda: append_durably(root / "m", big, label="metrics"),
    lambda: publish_directory(lambda folder: (folder / "w").write_bytes(big), root / "c"),
    lambda: check_space(root / "c", 400_000),
):
    try:
        action()
    except StorageError as error:
        print(error)
assert (root / "a").read_bytes() == b"old" and (root / "m").read_bytes() == b"first\\n"
assert sorted(path.name for path in root.iterdir()) == ["a", "m"]
publish_directory(lambda folder: (folder / "w").write_bytes(b"fits"), root / "c")
"""


def test_a_disk_that_is_really_full(tmp_path):
    mount = (
        f"mount -t tmpfs -o size=256k none {tmp_path} && exec {sys.executable} -c '{SMALL_DISK}' {tmp_path}"
    )
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount]
    if subprocess.run([*command[:-1], f"mount -t tmpfs none {tmp_path}"], capture_output=True).returncode:
        pytest.skip("no mount is permitted here")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    assert all("390.6 KiB" in line and "free" in line for line in (lines[0], lines[1], lines[3]))
    assert "The disk is full" in lines[2]
    assert "at least" in lines[2]


def test_a_read_only_disk_is_named_before_the_start(tmp_path):
    program = (
        "import sys; from pathlib import Path; from ponder.storage.space import check_space\n"
        "from ponder.errors import StorageError\n"
        "try: check_space(Path(sys.argv[1]) / 'run' / 'deep', 10)\n"
        "except StorageError as error: print(error)"
    )
    mount = f'mount -t tmpfs -o ro none {tmp_path} && exec {sys.executable} -c "$0" {tmp_path}'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*command, f"mount -t tmpfs none {tmp_path}"], capture_output=True).returncode:
        pytest.skip("no mount is permitted here")
    done = subprocess.run([*command, mount, program], capture_output=True, text=True, timeout=60)
    assert "cannot be written to" in done.stdout, done.stderr


def test_space_is_checked_where_the_folder_will_be(tmp_path):
    check_space(tmp_path / "not" / "yet", 1000)
    with pytest.raises(StorageError, match=r"1\.0 EiB|1048576\.0 TiB are needed") as caught:
        check_space(tmp_path / "not" / "yet", 1 << 60)
    assert "free" in str(caught.value)
    with pytest.raises(StorageError, match="are needed"):
        publish_directory(build, tmp_path / "c", needed_bytes=1 << 60)
    assert list(tmp_path.iterdir()) == []


def test_bytes_read_like_sizes():
    assert [format_bytes(n) for n in (0, 1023, 1024, 1610612736)] == [
        "0 bytes",
        "1023 bytes",
        "1.0 KiB",
        "1.5 GiB",
    ]


def test_other_errors_of_a_builder_are_not_taken_for_the_disks(tmp_path):
    def missing(folder: Path) -> None:
        (folder / "nowhere" / "x").write_text("")

    with pytest.raises(FileNotFoundError):
        publish_directory(missing, tmp_path / "c")
    assert errno.ENOENT not in files.DISK_ERRORS
