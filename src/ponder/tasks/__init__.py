"""Where problems come from: generated families, files, and the small world's corpus.

`TASKS` says which families exist. Adding one: a file with a class that satisfies `TaskFamily`,
a line here, a test. From outside the package: `path/to/file.py:function` in a recipe.
"""

from ponder.tasks.arithmetic import Arithmetic
from ponder.tasks.choice import Choice
from ponder.tasks.countdown import Countdown
from ponder.tasks.family import LANGUAGES, TaskFamily, TraceStyle, is_held_out
from ponder.tasks.functions import Functions
from ponder.tasks.knights import Knights
from ponder.tasks.parity import Parity

TASKS: dict[str, TaskFamily] = {
    "arithmetic": Arithmetic(),
    "choice": Choice(),
    "countdown": Countdown(),
    "functions": Functions(),
    "knights": Knights(),
    "parity": Parity(),
}

__all__ = ["LANGUAGES", "TASKS", "TaskFamily", "TraceStyle", "is_held_out"]
