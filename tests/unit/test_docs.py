"""The documents say what is so: names exist, commands parse, examples run, generated parts are fresh."""

from __future__ import annotations

import ast
import contextlib
import importlib
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
import docs_reference
from docs_reference import DOCS, GENERATED, ROOT

PAGES = (
    "method",
    "architecture",
    "extending",
    "recipes",
    "operations",
    "code-grading",
    "math-conventions",
    "rewards",
    "benchmarks-data",
)
PACKAGES = tuple(path.parent.name for path in (ROOT / "src" / "ponder").glob("*/__init__.py"))


@dataclass(frozen=True, slots=True)
class Fence:
    """One fenced block."""

    section: str
    language: str
    file: str
    """Name under which it is written, from `<!-- file: NAME -->` above it; "" for none."""
    run: bool
    """False under `<!-- not run: WHY -->`."""
    line: int
    text: str


def fences(page: str) -> Iterator[Fence]:
    section, comment, opened = "", "", None
    lines: list[str] = []
    for number, line in enumerate((DOCS / f"{page}.md").read_text(encoding="utf-8").splitlines(), start=1):
        if opened is not None:
            if line == "```":
                file = re.search(r"file: (\S+)", comment)
                text = "\n".join(lines) + "\n"
                language = opened[1]
                yield Fence(
                    section, language, file[1] if file else "", "not run" not in comment, opened[0], text
                )
                opened, lines, comment = None, [], ""
            else:
                lines.append(line)
        elif line.startswith("```"):
            opened = (number + 1, line[3:].strip())
        elif line.startswith("## "):
            section = line[3:]
        elif line.strip():
            comment = line if line.startswith("<!--") else ""


EXAMPLES = list(dict.fromkeys(fence.section for fence in fences("extending") if fence.language == "python"))


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, with the repository's recipes and tests beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("recipes", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@pytest.fixture
def tables_restored() -> Iterator[None]:
    """What the examples add to the package's tables is gone afterwards."""
    from ponder import api
    from ponder.pipeline.stages import STAGES

    tables: list[dict[str, Any]] = [
        api.REWARDS, api.TASKS, api.GRADERS, api.TEMPLATES, api.ALGORITHMS, api.ENGINES, STAGES,
    ]  # fmt: skip
    before = [dict(table) for table in tables]
    yield
    for table, entries in zip(tables, before, strict=True):
        table.clear()
        table.update(entries)


def write_files(page: str, folder: Path) -> None:
    for fence in fences(page):
        if fence.file:
            (folder / fence.file).write_text(fence.text, encoding="utf-8")


# --- examples --------------------------------------------------------------------------------------


@pytest.mark.parametrize("section", EXAMPLES)
def test_examples_of_extending_run(section: str, workplace: Path, tables_restored: None):
    write_files("extending", workplace)
    namespace: dict[str, Any] = {"__name__": "example"}
    blocks = [f for f in fences("extending") if f.section == section and f.language == "python"]
    for block in blocks:
        assert block.run, f"extending.md:{block.line}: every Python block is run"
        code = "\n" * (block.line - 1) + block.text
        exec(compile(code, str(DOCS / "extending.md"), "exec"), namespace)


def test_python_stands_only_where_it_is_run():
    for page in PAGES:
        if page != "extending":
            assert not [fence.line for fence in fences(page) if fence.language == "python"], page


@pytest.mark.parametrize("page", PAGES)
def test_recipes_load(page: str, workplace: Path):
    from ponder.pipeline.recipe import load_recipe

    write_files(page, workplace)
    for fence in fences(page):
        if fence.language == "yaml":
            assert fence.file, f"{page}.md:{fence.line}: a recipe needs a file name to be loaded by"
            load_recipe(fence.file)


# --- commands --------------------------------------------------------------------------------------


def commands(page: str) -> Iterator[tuple[int, bool, list[str]]]:
    """(line, whether it is run, words) of every command line."""
    for fence in fences(page):
        if fence.language == "bash":
            for offset, line in enumerate(fence.text.splitlines()):
                yield fence.line + offset, fence.run, shlex.split(line)


@pytest.mark.parametrize("page", PAGES)
def test_command_lines_parse_and_recipes_take_the_overrides(
    page: str, workplace: Path, capsys: pytest.CaptureFixture[str]
):
    import typer

    from ponder.cli.main import app
    from ponder.pipeline.recipe import load_recipe

    write_files(page, workplace)
    group: Any = typer.main.get_command(app)
    for line, run, words in commands(page):
        if words[0] == "python":
            assert (ROOT / words[1]).is_file(), f"{page}.md:{line}"
            continue
        assert words[0] == "ponder", f"{page}.md:{line}: {words[0]}"
        name, arguments = words[1], words[2:]
        if name.startswith("-"):
            group.make_context("ponder", words[1:], resilient_parsing=True)
            continue
        context = group.commands[name].make_context(name, list(arguments))
        if name == "run":
            load_recipe(context.params["recipe"], context.params["set_"] or [])
        if run and (name == "list" or context.params.get("dry_run")):
            with contextlib.suppress(SystemExit):
                group.main(words[1:], standalone_mode=False)
            assert capsys.readouterr().out.strip(), f"{page}.md:{line} says nothing"


# --- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_names_in_code_exist(page: str):
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    dotted = re.findall(rf"`((?:{'|'.join(PACKAGES)}|seeding)\.[A-Za-z_][\w.]*)`", text)
    for name in set(dotted):
        assert resolve(f"ponder.{name}"), f"{page}.md names {name}, which does not exist"
    assert page not in ("method", "architecture") or len(dotted) > 10


def resolve(name: str) -> bool:
    """Whether the dotted name is a module, or something in one."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def test_tests_named_in_method_exist():
    text = (DOCS / "method.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(tests/[\w/.]+\.py)::(\w+)`", text))
    assert len(named) > 50
    for file, name in sorted(named):
        source = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {name}\(", source, re.MULTILINE), f"{file}::{name} does not exist"


def test_every_equation_has_a_test():
    text = (DOCS / "method.md").read_text(encoding="utf-8")
    table = text.split("## Equations")[1].split("## Presets")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ") and "| equation" not in line]
    assert len(rows) > 30
    for row in rows:
        assert re.search(r"`\w+\.\w+\.\w+(\.\w+)?`", row), row
        assert "::test_" in row, row


@pytest.mark.parametrize("page", PAGES)
def test_files_and_pages_named_exist(page: str):
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    for name in set(re.findall(r"`((?:src|tests|recipes|examples)/[\w/.-]+)`", text)):
        assert (ROOT / name).exists(), f"{page}.md names {name}, which does not exist"
    for name in set(re.findall(r"`docs/([\w-]+)\.md`", text)):
        assert (DOCS / f"{name}.md").exists(), f"{page}.md names docs/{name}.md"
    for target in re.findall(r"\]\(#([\w-]+)\)", text):
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        anchors = {re.sub(r"[^\w\- ]", "", each).strip().lower().replace(" ", "-") for each in headings}
        assert target in anchors, f"{page}.md links to #{target}"


def test_every_metric_is_explained():
    text = (DOCS / "method.md").read_text(encoding="utf-8")
    folder = ROOT / "src" / "ponder"
    files = [
        *(folder / "training").glob("*.py"),
        folder / "algorithms" / "loss.py",
        folder / "algorithms" / "mismatch.py",
        folder / "rewards" / "workers.py",
    ]
    keys = {
        node.value
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"[a-z0-9_]+/[a-z0-9_]+/[a-z0-9_]+", node.value)
    }
    assert len(keys) > 50
    assert {key for key in keys if f"`{key}`" not in text} == set()


# --- generated parts -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GENERATED)
def test_generated_parts_are_fresh(name: str):
    file, make = GENERATED[name]
    text = (DOCS / file).read_text(encoding="utf-8")
    assert docs_reference.with_part(text, name, make()) == text, "run: python tests/docs_reference.py"


def test_every_key_of_the_recipe_has_one_meaning():
    missing, superfluous = docs_reference.undocumented()
    assert missing == set()
    assert superfluous == set()


def test_every_block_of_the_recipe_is_in_the_reference():
    from ponder import config

    blocks = {
        value
        for value in vars(config).values()
        if isinstance(value, type) and issubclass(value, config.Section) and value is not config.Section
    }
    assert {model for model, _, _ in docs_reference.SECTIONS} == blocks


def test_every_exit_code_is_explained():
    from ponder import errors

    text = (DOCS / "operations.md").read_text(encoding="utf-8")
    kinds = [value for value in vars(errors).values() if hasattr(value, "exit_code")]
    assert len(kinds) > 5
    for kind in kinds:
        assert f"| {kind.exit_code} |" in text, kind
