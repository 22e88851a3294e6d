"""What a policy is shown of an answer beside its text, thinking and calls, on streams through the real executor."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from app.errors import PolicyFailed
from app.messages import Choice, Message, ModelResponse, Received
from app.pipeline.policies.logprobs import without_others
from app.policies import Policy, StreamContext
from tests.unit.pipeline.rig import content, execute, finish, loaded


def delta_chunk(**fields: Any) -> ModelResponse:
    return ModelResponse(choices=(Choice(delta=Message(**fields)),))


def refusals(chunks: Iterable[ModelResponse]) -> list[str]:
    return [one.delta.refusal for chunk in chunks for one in chunk.choices if one.delta and one.delta.refusal]


class Upper(Policy):
    seen: list[str]

    def __init__(self) -> None:
        self.seen = []

    async def on_other_text(self, text: str, ctx: StreamContext) -> str:
        self.seen.append(text)
        return text.upper()


def test_each_other_text_is_shown_once_and_whole() -> None:
    policy = Upper()
    note = {"type": "url_citation", "url_citation": {"url": "x", "title": "a title", "start_index": 0}}
    outcome = execute(
        [policy],
        [
            delta_chunk(refusal="I "),
            delta_chunk(refusal="won't"),
            content("fine"),
            delta_chunk(annotations=(note, note)),
            finish(),
        ],
    )
    assert refusals(outcome.chunks) == ["I WON'T"]
    assert outcome.text == "fine"
    assert outcome.deltas[1].annotations[1]["url_citation"]["title"] == "A TITLE"
    assert sorted(policy.seen) == ["I won't", "a title", "x"]


def test_pieces_that_nobody_changes_go_on_as_they_came() -> None:
    class Looks(Policy):
        async def on_other_text(self, text: str, ctx: StreamContext) -> str:
            return text

    chunks = [delta_chunk(refusal="I "), delta_chunk(refusal="won't"), finish()]
    sent = execute([Looks()], chunks).chunks
    assert [one is other for one, other in zip(sent, chunks, strict=True)] == [True, True, True]


def test_what_was_kept_back_goes_on_when_the_policy_steps_aside_for_something_else() -> None:
    class Breaks(Policy):
        name = "breaks"

        async def on_other_text(self, text: str, ctx: StreamContext) -> str:
            return text

        async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
            raise RuntimeError("boom")

    outcome = execute([loaded(Breaks(), fail_open=True)], [delta_chunk(refusal="no"), content("one"), finish()])
    assert outcome.error is None
    assert (refusals(outcome.chunks), outcome.text) == (["no"], "one")


def test_a_hook_that_returns_no_text_has_failed() -> None:
    class Forgets(Policy):
        async def on_other_text(self, text: str, ctx: StreamContext) -> str:
            return None  # type: ignore[return-value]

    outcome = execute([Forgets()], [delta_chunk(refusal="no"), finish()])
    assert isinstance(outcome.error, PolicyFailed)
    assert refusals(outcome.chunks) == []


def token(text: str, spelled: str | None = None) -> dict[str, Any]:
    return {"token": text, "logprob": -0.1, "bytes": None if spelled is None else list(spelled.encode())}


@pytest.mark.parametrize(
    ("text", "logprobs", "goes_on"),
    [
        ("to bob", {"content": [token("to"), token(" bob", " bob")]}, False),
        ("to bob", {"content": [token("to", "to"), token(" bob", " bob")]}, True),
        ("to bob", {"content": [token("to"), token(" bob")]}, True),
        ("to bob", {"content": [token("to"), token(" eve")]}, False),
        ("to bob", {"content": [token("to bob", "to eve")]}, False),
        ("to bob", {"tokens": ["to", " bob"], "text_offset": [0, 2]}, True),
        ("to bob", {"tokens": ["to", " eve"]}, False),
        ("to bob", {"content": None, "refusal": []}, True),
    ],
)
def test_log_probabilities_go_on_only_beside_the_text_they_are_about(
    text: str, logprobs: dict[str, Any], goes_on: bool
) -> None:
    chunk = ModelResponse(choices=(Choice(delta=Message(content=text), logprobs=logprobs),))
    changed, _ = without_others(Received(chunk), None)
    assert (changed is chunk) is goes_on
    assert changed.choices[0].logprobs == (logprobs if goes_on else None)


def test_other_tasks_run_while_a_policy_reads_an_event_of_many_texts() -> None:
    class Looks(Policy):
        turns = 0
        counting: asyncio.Task[None] | None = None

        async def count(self) -> None:
            while True:
                self.turns += 1
                await asyncio.sleep(0)

        async def on_other_text(self, text: str, ctx: StreamContext) -> str:
            self.counting = self.counting or asyncio.create_task(self.count())
            if text == "the last":
                self.counting.cancel()
            return text

    policy = Looks()
    fields = {f"field{number}": f"text {number}" for number in range(2_000)}
    execute([policy], [ModelResponse(extra={**fields, "end": "the last"}), finish()])
    assert policy.turns >= 10
