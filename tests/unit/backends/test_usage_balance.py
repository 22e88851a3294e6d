"""Whatever answers come to, spans, counters, access lines and totals have the same tokens and dollars."""

from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from app.dialects.estimate import estimate_input_tokens
from app.errors import LocalFailure, UpstreamFailed, UpstreamTimeout, UpstreamTruncated, UpstreamUnreachable
from app.messages import Choice, Message, ModelResponse, Usage
from telemetry import Tokens
from tests.support import run
from tests.unit.backends.bookkeeping import Books, Played
from tests.unit.backends.fakes import ask

books = Books()
PROMPT = estimate_input_tokens(ask("x" * 4000))
ERRORS = {
    "cut": UpstreamTruncated("cut"),
    "late": UpstreamTimeout("late"),
    "broken off": UpstreamFailed("an error in its stream"),
    "refused": UpstreamFailed("busy", upstream_status=503),
    "unreachable": UpstreamUnreachable("reset"),
    "local": LocalFailure("descriptors"),
}
PASSING = {"cut", "late", "refused", "unreachable", "local", "broken off"}
"""After these the next deployment is asked, if nothing of the answer had come."""


class ScriptedResponse(NamedTuple):
    """Texts by their length, of which the provider counts those up to `counted`: at none, some or all of them."""

    texts: list[int]
    counted: int | None
    usage: Usage
    ending: str

    def played(self, stream: bool) -> Played:
        pieces = [Message(content="y" * size) for size in self.texts]
        if stream:
            chunks = [ModelResponse(id="r", choices=(Choice(delta=piece),)) for piece in pieces]
            if self.counted is not None:
                chunks.insert(self.counted, ModelResponse(id="r", usage=self.usage))
        else:
            whole = Message(content="y" * sum(self.texts))
            usage = None if self.counted is None else self.usage
            chunks = [ModelResponse(id="r", choices=(Choice(message=whole),), usage=usage)]
        is_sent = self.ending not in ("unreachable", "local")
        return Played(chunks, ERRORS.get(self.ending), self.ending == "left", is_sent)

    def has_begun(self, stream: bool) -> bool:
        return stream and sum(self.texts) > 0

    def tokens(self, stream: bool) -> Tokens | None:
        """What the attempt is to end with."""
        nothing_came = not stream and self.ending != "ok"
        counted = self.counted is not None and not nothing_came
        texts = [] if nothing_came else self.texts
        if self.ending not in ("ok", "left", "cut", "late") and not (sum(texts) or counted):
            return None
        if not counted:
            made = max(1, sum(texts) // 4) if sum(texts) else 0
            return Tokens.of(Usage(PROMPT, made), PROMPT, made)
        if self.usage.completion_tokens:
            texts = texts[self.counted :] if stream else []
        made = max(1, sum(texts) // 4) if sum(texts) else 0
        read = 0 if self.usage.prompt_tokens else PROMPT
        usage = self.usage
        parts = (usage.cache_read_input_tokens, usage.cache_creation_input_tokens, usage.reasoning_tokens)
        return Tokens.of(Usage(usage.prompt_tokens + read, usage.completion_tokens + made, *parts), read, made)


_COUNTS = st.integers(0, 50)
_USAGE = st.builds(Usage, st.integers(0, 200), st.integers(0, 90), _COUNTS, _COUNTS, _COUNTS)


@st.composite
def _answers(draw: st.DrawFn) -> ScriptedResponse:
    texts = draw(st.lists(st.integers(0, 60), max_size=4))
    counted = draw(st.none() | st.integers(0, len(texts)) | st.just(len(texts)))
    ending = draw(st.sampled_from(["ok", "ok", "left", *ERRORS]))
    # An answer that ends well holds something.
    return ScriptedResponse([*texts, 1] if ending == "ok" else texts, counted, draw(_USAGE), ending)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.lists(_answers(), min_size=1, max_size=4)), min_size=1, max_size=4))
def test_all_accounts_of_tokens_and_cost_agree(transactions: list[tuple[bool, list[ScriptedResponse]]]) -> None:
    run(_play(transactions))


async def _play(transactions: list[tuple[bool, list[ScriptedResponse]]]) -> None:
    books.begin()
    expected: list[Tokens] = []
    for stream, answers in transactions:
        made = list(answers)
        # The last one ends it, whatever comes.
        made.append(ScriptedResponse([8], 1, Usage(5, 2), "ok"))
        await books.play(ask("x" * 4000, stream=stream), [one.played(stream) for one in made])
        for answer in made:
            if (tokens := answer.tokens(stream)) is not None:
                expected.append(tokens)
            if answer.ending not in PASSING or answer.has_begun(stream):
                break
    attempts = [one for one in books.attempts() if "gen_ai.usage.input_tokens" in one]
    found = sorted((one["gen_ai.usage.input_tokens"], one["gen_ai.usage.output_tokens"]) for one in attempts)
    assert found == sorted((one.prompt, one.completion) for one in expected)
    assert sum("flowspan.usage.estimated" in one for one in attempts) == sum(one.is_estimated for one in expected)
    assert books.differences() == []
