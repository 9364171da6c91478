"""The command `ponder`: a table of commands, and errors told in one clear message.

Nothing here or at the top of a command's file imports torch: `ponder --help` answers at once.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from typing import Annotated, Any

import typer

from ponder import __version__
from ponder.cli.chat import chat
from ponder.cli.decontaminate import decontaminate
from ponder.cli.doctor import doctor
from ponder.cli.evaluate import evaluate
from ponder.cli.filter import filter_problems
from ponder.cli.grade import grade_rows
from ponder.cli.list import list_table
from ponder.cli.run import run
from ponder.cli.sample import sample
from ponder.cli.show import show
from ponder.cli.verify import verify
from ponder.errors import PonderError

COMMANDS: dict[str, Callable[..., None]] = {
    "run": run,
    "evaluate": evaluate,
    "sample": sample,
    "filter": filter_problems,
    "decontaminate": decontaminate,
    "grade": grade_rows,
    "chat": chat,
    "show": show,
    "verify": verify,
    "list": list_table,
    "doctor": doctor,
}
"""Every command; adding one = one file, one line here, one test."""

# Plain help: the decorated one costs a quarter of a second at every start.
app = typer.Typer(
    name="ponder",
    help="Turn a base language model into one that reasons.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for _name, _command in COMMANDS.items():
    app.command(_name)(_command)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"ponder {__version__}")
        raise typer.Exit()


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    if debug:
        os.environ["PONDER_DEBUG"] = "1"


def main(arguments: list[str] | None = None) -> None:
    """Runs one command and exits: 0, or the exit code of the error's class with one message on stderr."""
    _silence_libraries()
    try:
        app(args=arguments, standalone_mode=True)
    except PonderError as error:
        if os.environ.get("PONDER_DEBUG"):
            raise
        _say(str(error), error.exit_code)
    except KeyboardInterrupt:
        _say("Stopped.", 130)
    except BrokenPipeError:
        # The reader of our output has gone (`ponder list tasks | head`): no one is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if os.environ.get("PONDER_DEBUG"):
            raise
        where = f" ({error.filename})" if error.filename else ""
        _say(f"The system refused: {error.strerror or error}{where}.", 5)


def _say(message: str, code: int) -> Any:
    prefix = "" if code == 75 else "Error: "
    print(f"{prefix}{message}", file=sys.stderr, flush=True)
    sys.exit(code)


def _silence_libraries() -> None:
    """Keeps the warnings of libraries out of the way, unless someone debugs."""
    if os.environ.get("PONDER_DEBUG"):
        return
    warnings.filterwarnings("ignore")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


if __name__ == "__main__":
    main()
