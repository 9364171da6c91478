"""Templates: how a problem becomes the text that the policy continues."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ponder.errors import DataError, ModelError, RecipeError, nearest
from ponder.prompting.parsing import REASONING_TAGS, SUMMARY_TAGS, THINK_TAGS, Tags
from ponder.types import Message, Problem, Prompt

Encode = Callable[[str], Sequence[int]]
"""Text to token ids; special tokens in the text are recognised, none are added."""
ApplyChat = Callable[[Sequence[Message]], str]
"""Chat turns to text, with the opening of the assistant's turn at the end."""

R1_ZERO = (
    "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. "
    "The assistant first thinks about the reasoning process in the mind and then provides the user with "
    "the answer. The reasoning process and answer are enclosed within <think> </think> and "
    "<answer> </answer> tags, respectively, i.e., <think> reasoning process here </think> "
    "<answer> answer here </answer>. User: {prompt}. Assistant:"
)
"""Table 1 of arXiv 2501.12948 (v1 and v2), line breaks of the typesetting as single spaces."""

R1_ZERO_NATURE = (
    "A conversation between User and Assistant. The User asks a question and the Assistant solves it. "
    "The Assistant first thinks about the reasoning process in the mind and then provides the User with "
    "the answer. The reasoning process and answer are enclosed within <think>...</think> and "
    "<answer>...</answer> tags, respectively, that is, <think> reasoning process here </think>"
    "<answer> answer here </answer>. User: {prompt}. Assistant:"
)
"""The same as copy-edited by Nature 645:633-638 (2025), p. 634: capitals, "that is", dots in the tags."""

REASONING_SYSTEM = (
    "Respond in the following format:\n"
    "<reasoning>\n...\n</reasoning>\n"
    "<answer>\n...\n</answer>\n"
)  # fmt: skip
"""System prompt of the community's GSM8K script for GRPO (2025)."""


@dataclass(frozen=True, slots=True)
class Template:
    """How a problem is put to the policy, and what format its reply is to keep."""

    name: str
    kind: Literal["text", "chat"]
    text: str
    """text: contains "{prompt}" once. chat: the system message, "" for none."""
    tags: Tags
    prefill: str = ""
    """Text after the prompt that belongs to the reply."""

    @property
    def conversational(self) -> bool:
        """Whether reward functions written for TRL get messages in place of strings."""
        return self.kind == "chat"

    def text_of(self, problem: Problem, apply_chat: ApplyChat | None = None) -> tuple[str, str]:
        """(the whole prompt as text, the part at its end that belongs to the reply).

        Raises DataError for a problem that a text template cannot hold, ModelError when a chat
        template is needed and the tokenizer has none.
        """
        if self.kind == "text":
            return self.text.replace("{prompt}", _question(problem, self.name)) + self.prefill, self.prefill
        if apply_chat is None:
            raise ModelError(
                f'template "{self.name}" needs the chat template of the model\'s tokenizer, which has none. '
                'Use a text template ("r1_zero"), or put a chat_template into tokenizer_config.json.'
            )
        system: tuple[Message, ...] = ({"role": "system", "content": self.text},) if self.text else ()
        text = apply_chat((*system, *problem.messages)) + self.prefill
        return text, self.prefill or _prefilled_tag(text, self.tags)

    def render(self, problem: Problem, encode: Encode, apply_chat: ApplyChat | None = None) -> Prompt:
        """The prompt of `problem`: token ids of the whole text, prefill included.

        A chat template that itself opens the reasoning tag is recognised: the tag is the prefill.
        Errors as `text_of`.
        """
        text, prefill = self.text_of(problem, apply_chat)
        return Prompt(problem=problem, token_ids=tuple(encode(text)), prefill=prefill)


TEMPLATES: dict[str, Template] = {
    "r1_zero": Template("r1_zero", "text", R1_ZERO, THINK_TAGS),
    "r1_zero_prefill": Template("r1_zero_prefill", "text", R1_ZERO, THINK_TAGS, prefill="<think>"),
    "r1_zero_nature": Template("r1_zero_nature", "text", R1_ZERO_NATURE, THINK_TAGS),
    "reasoning": Template(
        "reasoning", "text", REASONING_SYSTEM + "\nUser: {prompt}\nAssistant:", REASONING_TAGS
    ),
    "reasoning_prefill": Template(
        "reasoning_prefill",
        "text",
        REASONING_SYSTEM + "\nUser: {prompt}\nAssistant:",
        REASONING_TAGS,
        prefill="<reasoning>\n",
    ),
    "reasoning_chat": Template("reasoning_chat", "chat", REASONING_SYSTEM, REASONING_TAGS),
    "plain": Template("plain", "text", "User: {prompt}\nAssistant:", THINK_TAGS),
    "plain_prefill": Template(
        "plain_prefill", "text", "User: {prompt}\nAssistant:", THINK_TAGS, prefill="<think>"
    ),
    "chat": Template("chat", "chat", "", SUMMARY_TAGS),
    "chat_answer": Template("chat_answer", "chat", "", THINK_TAGS),
}
"""Every template by name. A recipe may also hold the text itself, with "{prompt}" in it."""


def load_template(spec: str) -> Template:
    """The template called `spec`, or a text template made of `spec` when that holds "{prompt}".

    In a text of one's own the tags are <reasoning> and <answer> when it names <reasoning>, else
    <think> and <answer>; one that ends in the opening tag is taken to prefill it.
    Raises RecipeError for an unknown name and for a text without exactly one "{prompt}".
    """
    if spec in TEMPLATES:
        return TEMPLATES[spec]
    count = spec.count("{prompt}")
    if count == 0:
        hint = nearest(spec, TEMPLATES) if len(spec) < 60 else ' A template of your own holds "{prompt}".'
        raise RecipeError(f'template: "{spec[:80]}" is unknown.{hint}')
    if count > 1:
        raise RecipeError(f'template: holds "{{prompt}}" {count} times; exactly once is allowed.')
    tags = REASONING_TAGS if "<reasoning>" in spec and "<think>" not in spec else THINK_TAGS
    prefill = _prefilled_tag(spec, tags)
    return Template("custom", "text", spec.removesuffix(prefill), tags, prefill)


def _question(problem: Problem, template: str) -> str:
    """The question as plain text, after the system message if there is one."""
    roles = [message["role"] for message in problem.messages]
    if roles in (["user"], ["system", "user"]):
        return "\n\n".join(message["content"] for message in problem.messages)
    raise DataError(
        f'problem "{problem.id}": its turns are {roles}, and the text template "{template}" holds one '
        'question (a system message may precede it). Use template "chat" for conversations.'
    )


def _prefilled_tag(text: str, tags: Tags) -> str:
    """The opening reasoning tag at the end of a prompt, with the white space after it, or ""."""
    tag = f"<{tags.reasoning}>"
    return text[len(text.rstrip()) - len(tag) :] if text.rstrip().endswith(tag) else ""
