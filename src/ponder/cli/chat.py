"""`ponder chat`: questions from the keyboard, answers with their reasoning."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ponder.cli import asking


def chat(
    model: asking.Model,
    temperature: asking.Temperature = 0.6,
    top_p: asking.TopP = 0.95,
    max_tokens: asking.MaxTokens = 1024,
    template: Annotated[
        str, typer.Option(help="Default: the model's chat template, or r1_zero where it has none.")
    ] = "",
    seed: asking.Seed = 0,
    threads: asking.Threads = None,
) -> None:
    """Talk to a model. An empty line or end of input ends it; /new forgets what was said."""
    from ponder.models.registry import resolve_model
    from ponder.models.tokenizer import load_tokenizer
    from ponder.pipeline.conversation import Conversation
    from ponder.types import SamplingParams

    if not template:
        template = "chat" if load_tokenizer(resolve_model(model)).chat_template else "r1_zero"
    bench = asking.open_model(model, template, threads)
    sampling = SamplingParams(
        max_new_tokens=max_tokens, temperature=temperature, top_p=top_p, stop_token_ids=bench.stop_token_ids
    )
    conversation = Conversation(bench, sampling, seed)
    interactive = sys.stdin.isatty()
    if interactive:
        typer.echo(f"{bench.folder} with template {template}. An empty line ends it; /new begins anew.")
    while True:
        if interactive:
            typer.echo("> ", nl=False)
        line = sys.stdin.readline()
        question = line.strip()
        if not question:
            return
        if question == "/new":
            conversation.forget()
            continue
        typer.echo(conversation.ask(question))
