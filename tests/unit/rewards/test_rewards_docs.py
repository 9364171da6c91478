"""docs/rewards.md has every reward, option, part, preset and foreign name there is, and no other."""

import inspect
import json
import re
from pathlib import Path

from ponder.rewards import REWARD_PRESETS, REWARDS, readability, structure
from ponder.rewards.aliases import OPEN_R1, Alias

PAGE = (Path(__file__).parents[3] / "docs" / "rewards.md").read_text(encoding="utf-8")


def rows(section: str) -> dict[str, list[str]]:
    """First cell -> the cells of each row of the tables of a section."""
    text = PAGE.split(f"## {section}\n")[1].split("\n## ")[0]
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| `")]
    return {re.findall("`(.*?)`", cells[0])[0]: [cell.strip() for cell in cells] for cells in lines}


SECTIONS = ("Right or wrong", "Format and structure", "Length", "Repetition", "Language and readability")
DOCUMENTED = {name: cells for section in SECTIONS for name, cells in rows(section).items()}


def test_every_reward_and_part_has_a_row():
    assert set(DOCUMENTED) == {*REWARDS, *structure.PARTS, *readability.PARTS}


def test_every_option_has_its_default_in_the_row():
    for name, function in REWARDS.items():
        options = {
            parameter.name: parameter.default
            for parameter in inspect.signature(function).parameters.values()
            if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is not parameter.empty
        }
        cell = DOCUMENTED[name][2]
        assert set(re.findall("`(.*?)`", cell)) == set(options), name
        for option, default in options.items():
            said = cell.split(f"`{option}` ")[1].split(",")[0]
            shown = f"{default:g}" if isinstance(default, float) else json.dumps(default)
            # Where the default is worked out from something else, the row says from what.
            assert said in (shown, json.loads(shown)) or default in (None, ""), (name, option, said)


def test_presets_and_foreign_names_are_those_of_the_tables():
    presets = {name: cells[1] for name, cells in rows("Presets").items()}
    assert presets == {
        name: ", ".join(f"{config.name} {config.weight:g}" for config in preset)
        for name, preset in REWARD_PRESETS.items()
    }
    foreign = {name: cells[1].strip("`") for name, cells in rows("open-r1's names").items()}
    assert foreign.pop("ioi_code") == "refused"
    assert foreign == {name: alias.name for name, alias in OPEN_R1.items() if isinstance(alias, Alias)}
