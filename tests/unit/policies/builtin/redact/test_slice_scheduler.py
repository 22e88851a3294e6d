import asyncio

import pytest

from app.messages import InputMessage, Request, TextPart
from app.policies import PolicyContext
from app.policies.builtin.redact import Redact
from app.policies.builtin.redact.patterns import BUILTIN, custom_pattern
from app.policies.builtin.redact.slice_scheduler import INLINE_LIMIT, SlicedWork, SliceScheduler, feed, run_now
from app.policies.builtin.redact.stream_redactor import Detector, Redaction, StreamRedactor

EMAIL = Detector([Redaction(BUILTIN["email"], "-")])
LARGE = "word " * INLINE_LIMIT + "bob@x.org"


def counting(counts: list[str], name: str, steps: int) -> SlicedWork[int]:
    for _ in range(steps):
        counts.append(name)
        yield INLINE_LIMIT
    return len(counts)


@pytest.mark.parametrize("threaded", [False, True])
def test_a_large_text_is_redacted_as_at_once(threaded: bool) -> None:
    redactor = StreamRedactor(EMAIL)
    fed = asyncio.run(SliceScheduler(threaded).feed(redactor, LARGE + " " + LARGE + " "))
    assert fed == ("word " * INLINE_LIMIT + "- ") * 2


@pytest.mark.parametrize("threaded", [False, True])
def test_other_tasks_run_between_the_slices_of_a_large_text(threaded: bool) -> None:
    async def run() -> int:
        others = 0
        work = asyncio.ensure_future(SliceScheduler(threaded).feed(StreamRedactor(EMAIL), LARGE))
        while not work.done():
            others += 1
            await asyncio.sleep(0)
        return others

    assert asyncio.run(run()) > len(LARGE) // INLINE_LIMIT


def test_who_has_much_to_do_and_who_has_little_take_turns() -> None:
    async def run() -> list[str]:
        counts: list[str] = []
        scheduler = SliceScheduler(threaded=False)
        much = asyncio.ensure_future(scheduler.run(counting(counts, "much", 1000)))
        await asyncio.sleep(0)
        await scheduler.run(counting(counts, "little", 5))
        much.cancel()
        return counts

    counts = asyncio.run(run())
    assert counts.count("little") == 5
    assert counts.count("much") <= 7


def test_work_that_is_given_up_stops_at_its_step() -> None:
    async def run() -> tuple[int, int]:
        counts: list[str] = []
        work = asyncio.ensure_future(SliceScheduler(threaded=False).run(counting(counts, "x", 1000)))
        for _ in range(20):
            await asyncio.sleep(0)
        work.cancel()
        given_up = len(counts)
        for _ in range(20):
            await asyncio.sleep(0)
        return given_up, len(counts)

    given_up, at_last = asyncio.run(run())
    assert 0 < given_up == at_last < 1000


def test_many_small_texts_share_a_turn_and_do_not_fill_it() -> None:
    def work() -> SlicedWork[list[str]]:
        redacted = []
        for _ in range(5000):
            redactor = StreamRedactor(EMAIL)
            redacted.append((yield from feed(redactor, "word bob@x.org")) + redactor.flush())
        return redacted

    async def run() -> tuple[list[str], int]:
        others = 0
        redacting = asyncio.ensure_future(SliceScheduler(threaded=False).run(work()))
        while not redacting.done():
            others += 1
            await asyncio.sleep(0)
        return redacting.result(), others

    redacted, others = asyncio.run(run())
    assert redacted == ["word -"] * 5000 == run_now(work())
    assert 10 < others < 1000


def test_a_pattern_that_takes_too_long_fails_and_nothing_comes_out() -> None:
    slow = Detector([Redaction(custom_pattern("own", r"(?:a|a)*(?:a|a)*[cd]", 65_536, time_limit=0.05), "-")])
    with pytest.raises(TimeoutError):
        asyncio.run(SliceScheduler(threaded=True).feed(StreamRedactor(slow), "a" * 40_000))


def test_a_request_of_many_short_texts_is_redacted_in_slices_and_repeated_ones_once() -> None:
    """However few characters they have together."""
    parts = tuple([TextPart(f"{number:x}") for number in range(3000)] + [TextPart("bob@x.org")] * 3000)
    request = Request(dialect="openai_chat", model="m", messages=(InputMessage("user", parts),))
    assert sum(len(part.text) for part in parts[:3000]) < INLINE_LIMIT

    async def run() -> tuple[Request, int]:
        others = 0
        redacting = asyncio.ensure_future(Redact().on_request(request, PolicyContext("txn_1", request)))
        while not redacting.done():
            others += 1
            await asyncio.sleep(0)
        return redacting.result(), others

    redacted, others = asyncio.run(run())
    assert redacted.messages[0].parts == (*parts[:3000], *([TextPart("[EMAIL]")] * 3000))
    assert 10 < others < 100
