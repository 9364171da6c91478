"""Talking to a model, turn by turn."""

from __future__ import annotations

from ponder.config import EngineConfig
from ponder.errors import ModelError
from ponder.pipeline.bench import Bench
from ponder.prompting import parse_completion
from ponder.seeding import derive_seed
from ponder.types import Message, Problem, RolloutRequest, SamplingParams


class Conversation:
    """Keeps what was said. With a text template, which holds one question, each is asked anew.

    Earlier replies go back to the model without their reasoning, as chat templates of reasoning
    models expect.
    """

    def __init__(self, bench: Bench, sampling: SamplingParams, seed: int):
        self._bench = bench
        self._sampling = sampling
        self._seed = seed
        self._engine = bench.engine(EngineConfig(num_slots=1))
        self._turns: list[Message] = []
        self._asked = 0

    def forget(self) -> None:
        """Begins anew."""
        self._turns = []

    def ask(self, question: str) -> str:
        """The reply to a question, reasoning and tags included.

        Raises ModelError when the conversation does not fit the model's context.
        """
        bench = self._bench
        turns: list[Message] = [*self._turns, {"role": "user", "content": question}]
        prompt = bench.render(
            Problem(f"turn-{self._asked}", "chat", tuple(turns), grader="exact", reference="")
        )
        room = bench.policy.config.max_positions - len(prompt.token_ids)
        if room < self._sampling.max_new_tokens:
            raise ModelError(
                f"The conversation has {len(prompt.token_ids)} tokens; with --max-tokens "
                f"{self._sampling.max_new_tokens} that exceeds the context of "
                f"{bench.policy.config.max_positions}. Lower --max-tokens or begin anew with /new."
            )
        request = RolloutRequest(prompt, (derive_seed(self._seed, "chat", self._asked),))
        ((_, group),) = self._engine.generate([request], self._sampling)
        self._asked += 1
        text = group.completions[0].text
        if bench.template.conversational:
            parsed = parse_completion(text, prompt.prefill, bench.template.tags)
            reply = parsed.answer or text
            self._turns = [*turns, {"role": "assistant", "content": reply}]
        return prompt.prefill + text
