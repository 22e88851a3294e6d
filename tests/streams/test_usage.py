"""The tokens of recorded streams, whole and broken off: all accounts agree, and nothing that was counted is estimated.

A few recordings of each kind are played by default; the environment's USAGE_RECORDINGS=all plays every one, broken off
at twenty places, which takes two minutes.
"""

import os
from collections.abc import Iterator, Sequence

import pytest
from msgspec.structs import replace

from app.dialects.joined import joined
from app.errors import UpstreamFailed, UpstreamTruncated
from app.messages import ModelResponse
from tests.streams.recordings import REGULAR, Recording, needs_recordings
from tests.support import run
from tests.unit.backends.bookkeeping import Books, Played
from tests.unit.backends.fakes import ask

pytestmark = [needs_recordings, pytest.mark.timeout(600)]
ALL = os.environ.get("USAGE_RECORDINGS") == "all"
CUTS = 20 if ALL else 2
"""Places at which each recording is broken off."""
ERRORS = (UpstreamTruncated("cut"), UpstreamFailed("broke off"))


def _chosen() -> list[Recording]:
    """The smallest of each provider and API."""
    found: dict[tuple[str, str], Recording] = {}
    for recording in sorted(REGULAR, key=lambda one: int(one.row["bytes"])):
        found.setdefault((recording.dialect, str(recording.row["provider"])), recording)
    return list(found.values())


RECORDED = REGULAR if ALL else _chosen()


def _played(chunks: Sequence[ModelResponse]) -> Iterator[Played]:
    """The stream as it was, without its counts, and broken off at some places in three ways."""
    yield Played(chunks)
    yield Played([replace(chunk, usage=None) for chunk in chunks])
    step = max(1, len(chunks) // CUTS)
    for at in range(step // 2, len(chunks), step):
        yield from (Played(chunks[:at], error) for error in ERRORS)
        yield Played(chunks[:at], is_left=True)


def test_all_accounts_of_recorded_streams_agree() -> None:
    books = Books()
    played = attempts = estimated = 0

    async def play(recording: Recording) -> None:
        nonlocal played
        chunks = [one.chunk for one in recording.chunks]
        for one in _played(chunks):
            # An answer that has not begun is asked for once more, which then is whole.
            await books.play(ask(), [one, Played(chunks)])
            played += 1
        if any(chunk.choices for chunk in chunks):
            await books.play(ask(stream=False), [Played([joined(chunks)])])
            played += 1

    for recording in RECORDED:
        books.begin()
        run(play(recording), timeout=300)
        assert books.differences() == [], recording.name
        found = [one for one in books.attempts() if "gen_ai.usage.input_tokens" in one]
        attempts += len(books.attempts())
        estimated += sum("flowspan.usage.estimated" in one for one in found)
        whole = books.attempts()[0]
        last = next((one.chunk.usage for one in reversed(recording.chunks) if one.chunk.usage is not None), None)
        if last is not None and last.prompt_tokens and last.completion_tokens:
            counted = (last.prompt_tokens, last.completion_tokens)
            assert (whole["gen_ai.usage.input_tokens"], whole["gen_ai.usage.output_tokens"]) == counted, recording.name
            assert "flowspan.usage.estimated" not in whole, recording.name
    assert played >= 4 * len(RECORDED)
    assert 0 < estimated < attempts
