"""Recordings as a gateway would make them of a coding agent's conversation, for tests and pictures of the console."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from app.recorder.recording import (
    Body,
    Entry,
    Intervention,
    Moment,
    Piece,
    QueueFigures,
    RecordedAttempt,
    RecordedSpan,
    Recording,
    TokenCounts,
)
from telemetry.names import Outcome

BEGAN = 1_764_460_800.0
"""Unix seconds of the first transaction."""
CONVERSATION = "5f1c1f6e-8f3b-4b53-9f0a-6a1f2f8c7d10"
SYSTEM = """You are a coding agent that works in a terminal, beside the person who asked.

# How to work

- Read before you write, and change no more than was asked for.
- Run the tests that concern a change, and say which ones you ran.
- **Never** commit unless asked to.

# Tone

Be brief: three lines where three lines do. Use Markdown where it helps.

| tool | when |
| --- | --- |
| `Read` | to see a file |
| `Edit` | to change one |
"""
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"file_path": {"type": "string", "description": "The absolute path of the file"}},
    "required": ["file_path"],
}
TOOLS: list[dict[str, Any]] = [
    {
        "name": "Read",
        "description": "Reads a file of the project.\n\nUsage:\n- Large files come in pages.",
        "input_schema": _SCHEMA,
    },
    {"name": "Edit", "description": "Replaces a text in a file.", "input_schema": _SCHEMA},
    {"name": "Bash", "description": "Runs a command in a shell that stays open.", "input_schema": _SCHEMA},
    {"name": "Task", "description": "Starts an agent of its own for a task.", "input_schema": _SCHEMA},
]
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u202etxt.exe\x1b[31m\x00{{7*7}}\u200b\U000e0041"
"""HTML, a change of direction, an escape of a terminal, a template, and a tag that nobody sees."""
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def thinking(value: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": value, "signature": "c2lnbmF0dXJl"}


def call(name: str, id: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": name, "input": arguments}


def result(id: str, content: str, *, failed: bool = False) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id, "content": content, **({"is_error": True} if failed else {})}


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def _events(blocks: Sequence[Mapping[str, Any]], stop_reason: str, tokens: TokenCounts) -> list[dict[str, Any]]:
    usage = {
        "input_tokens": tokens.input,
        "cache_read_input_tokens": tokens.cache_read,
        "cache_creation_input_tokens": tokens.cache_write,
        "output_tokens": 1,
    }
    message = {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-5",
        "content": [],
        "usage": usage,
    }
    events: list[dict[str, Any]] = [{"type": "message_start", "message": message}, {"type": "ping"}]
    for index, block in enumerate(blocks):
        events += _block_events(index, block)
    events.append(
        {"type": "message_delta", "delta": {"stop_reason": stop_reason}, "usage": {"output_tokens": tokens.output}}
    )
    return [*events, {"type": "message_stop"}]


def _block_events(index: int, block: Mapping[str, Any]) -> list[dict[str, Any]]:
    field, kind, start = {
        "text": ("text", "text_delta", {"type": "text", "text": ""}),
        "thinking": ("thinking", "thinking_delta", {"type": "thinking", "thinking": "", "signature": ""}),
        "tool_use": ("partial_json", "input_json_delta", {**block, "input": {}}),
    }[block["type"]]
    whole = json.dumps(block["input"]) if kind == "input_json_delta" else str(block[field])
    deltas = [{"type": kind, field: whole[at : at + 24]} for at in range(0, len(whole), 24)]
    if "signature" in block:
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def pieces(events: Sequence[Mapping[str, Any]], began: float, seconds: float) -> tuple[Piece, ...]:
    """Each event as it would be read, evenly over the time."""
    step = seconds / max(1, len(events))
    return tuple(
        Piece(round(began + at * step, 6), f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
        for at, event in enumerate(events)
    )


def recording(
    number: int,
    messages: Sequence[Mapping[str, Any]],
    answer: Sequence[Mapping[str, Any]],
    *,
    system: str = SYSTEM,
    tools: Sequence[Mapping[str, Any]] = tuple(TOOLS),
    stop_reason: str = "end_turn",
    agent: str | None = None,
    parent: str | None = None,
    outcome: Outcome = "ok",
    tokens: TokenCounts | None = None,
    cut_after: int | None = None,
    cost_usd: float | None = 0.0123,
    seconds: float = 4.2,
    cache_miss: str | None = None,
    title: str = "",
    conversation: str | None = CONVERSATION,
    at: float | None = None,
) -> Recording:
    """One transaction of Anthropic's API that streams `answer`; after `cut_after` events the provider breaks it off."""
    tokens = tokens or TokenCounts(input=12, cache_read=21_400, cache_write=830, output=214)
    body = {
        "model": "claude-sonnet-5",
        "max_tokens": 32_000,
        "stream": True,
        "system": [text("You are a coding agent."), {**text(system), "cache_control": {"type": "ephemeral"}}],
        "tools": list(tools),
        "messages": list(messages),
    }
    data = json.dumps(body).encode()
    events = _events(answer, stop_reason, tokens)[:cut_after]
    first = 0.81
    received, sent = pieces(events, first, seconds - first), pieces(events, first + 0.002, seconds - first)
    ended = received[-1].at if received else seconds
    transaction_id = f"txn_{number:024x}"
    attempt = RecordedAttempt(
        deployment="anthropic-eu",
        provider="anthropic",
        model="claude-sonnet-5-20260901",
        api="anthropic_messages",
        began=0.004,
        ended=ended,
        url="https://api.anthropic.com/v1/messages",
        request=Body((("content-type", "application/json"), ("anthropic-version", "2023-06-01")), data, len(data)),
        status=200,
        response_headers=(("content-type", "text/event-stream"), ("request-id", "req_011CTxyz")),
        answer=received,
        answer_size=sum(len(piece.data) for piece in received),
        request_id="req_011CTxyz",
        error_type=None if cut_after is None else "upstream_truncated",
        closed_by=None if cut_after is None else "provider",
        tokens=tokens,
        cost_usd=cost_usd,
    )
    entry = Entry(
        transaction_id=transaction_id,
        trace_id=f"{number:032x}",
        started_at=BEGAN + 11 * number if at is None else at,
        duration_s=seconds,
        api="anthropic_messages",
        method="POST",
        path="/v1/messages",
        model="claude-sonnet-5",
        provider="anthropic",
        deployment="anthropic-eu",
        stream=True,
        outcome=outcome,
        status=200,
        error_type=attempt.error_type,
        key="ada",
        team="editors",
        conversation=conversation,
        agent=agent,
        parent_agent=parent,
        ttft_s=first,
        attempts=1,
        tokens=tokens,
        cost_usd=cost_usd,
        cache_miss=cache_miss,
        title=title,
    )
    return Recording(
        gateway="flowspan 0.1.0",
        entry=entry,
        delivered=cut_after is None,
        closed_by=attempt.closed_by,
        client_address="127.0.0.1",
        user_agent="claude-cli/2.1",
        time={"upstream": seconds - 0.1, "policy": 0.02, "queue": 0.01, "format": 0.05, "client": 0.02},
        request=Body((("content-type", "application/json"),), data, len(data)),
        attempts=(attempt,),
        response_headers=(("content-type", "text/event-stream"), ("x-request-id", transaction_id)),
        answer=sent,
        answer_size=sum(len(piece.data) for piece in sent),
        chunks_in=len(events),
        chunks_out=len(events),
        interventions=(Intervention("redact", "on_request", "passed", 0.003, 0.0007),),
        queues=(
            QueueFigures("policy_out", 256, len(events), len(events), 0, 3, 0.0, 0),
            QueueFigures("sse", 256, len(events), len(events), 0, 9, 0.013, 0),
        ),
        moments=_moments(first, ended, cache_miss),
        spans=_spans(transaction_id, ended, seconds, None if cut_after is None else "upstream_truncated"),
        access={"outcome": outcome, "status": 200, "duration_s": seconds, "model": "claude-sonnet-5"},
    )


def _moments(first: float, ended: float, cache_miss: str | None) -> tuple[Moment, ...]:
    found = [
        Moment(0.002, "request.received"),
        Moment(0.004, "request.sent"),
        Moment(first, "upstream.first_chunk"),
        Moment(first + 0.002, "client.first_byte"),
        Moment(ended, "response.completed"),
    ]
    if cache_miss is not None:
        attributes = {
            "flowspan.cache.miss.cause": cache_miss,
            "flowspan.cache.miss.by": "client",
            "flowspan.cache.miss.block": "system[1]",
            "flowspan.cache.miss.lost_tokens": 21_400,
            "flowspan.cache.miss.cost_usd": 0.0578,
        }
        found.append(Moment(ended, "cache.missed", attributes))
    return tuple(found)


def _spans(transaction_id: str, ended: float, seconds: float, error: str | None) -> tuple[RecordedSpan, ...]:
    return (
        RecordedSpan("chat claude-sonnet-5", "server", "a" * 16, "", 0.0, seconds, error),
        RecordedSpan("policy redact", "internal", "b" * 16, "a" * 16, 0.0025, 0.0032),
        RecordedSpan("chat claude-sonnet-5-20260901", "client", "c" * 16, "a" * 16, 0.004, ended, error),
        RecordedSpan("queue policy_out", "internal", "d" * 16, "a" * 16, 0.811, seconds - 0.01),
        RecordedSpan("queue sse", "internal", "e" * 16, "a" * 16, 0.812, seconds - 0.004),
    )


_REMINDER = text("<system-reminder>\nThe branch is main; two files are changed.\n</system-reminder>")
_ASKED = "The date in the footer is wrong after New Year: can you find out why, and fix it?"
_SOURCE = "\n".join(
    [
        "     1\timport datetime",
        "     2\t",
        "     3\tYEAR = datetime.date.today().year",
        "     4\t",
        "     5\t",
        "     6\tdef footer(name: str) -> str:",
        '     7\t    """The footer with the year, for the owner `name`."""',
        '     8\t    return f"© {YEAR} {name}"',
    ]
)
_FIXED = """Fixed. `YEAR` was read **once, when the module was imported**: a server that runs over New Year has the old
one.

```python
def footer(name: str) -> str:
    return f"© {datetime.date.today().year} {name}"
```

1. `site/footer.py` asks for the year at each call now.
2. I ran `pytest tests/test_footer.py`: 4 passed.

See the [documentation](https://docs.python.org/3/library/datetime.html) of `datetime`."""


_TITLE = "The date in the footer is wrong after New Year"
_CHILD = "agent_7c1d"
_CHILD_SYSTEM = "You look for things and report them."
_LATER_SYSTEM = SYSTEM.replace("three lines where three lines do", "five lines where five lines do")


def _history() -> list[dict[str, Any]]:
    """What was said in the main thread, message by message, without the last answer."""
    grep = 'site/footer.py:3:YEAR = datetime.date.today().year\nsite/footer.py:8:    return f"© {YEAR} {name}"'
    old, new = '    return f"© {YEAR} {name}"', '    return f"© {datetime.date.today().year} {name}"\n'
    return [
        user(_REMINDER, text(_ASKED)),
        assistant(
            thinking("The footer is made somewhere under `site/`. Let me look for the year first."),
            text("I look for the place where the year is made."),
            call("Bash", "toolu_01", command="rg -n 'year' site/", description="Find the year"),
        ),
        user(result("toolu_01", grep)),
        assistant(call("Read", "toolu_02", file_path="site/footer.py")),
        user(result("toolu_02", _SOURCE)),
        assistant(
            text("It is read once, at import. A second pair of eyes looks for more of the kind."),
            call("Task", "toolu_03", description="Find dates", prompt="Look for dates that are read at import."),
        ),
        user(result("toolu_03", "Only site/footer.py reads a date at import.")),
        assistant(call("Edit", "toolu_04", file_path="site/footer.py", old_string=old, new_string=new)),
        user(result("toolu_04", "The file was changed since it was read; read it again.", failed=True), _REMINDER),
    ]


def agents_conversation() -> list[Recording]:
    """A coding agent's conversation: six requests of its own, one without a relation to them, two of an agent that it
    started, a cache that was missed, and an answer that was cut off."""
    history = _history()
    last = [thinking("All done; say what was wrong."), text(_FIXED)]

    def turn(number: int, sent: int, **more: Any) -> Recording:
        answer = last if sent == len(history) else history[sent]["content"]
        reason = "end_turn" if sent == len(history) else "tool_use"
        return recording(number, history[:sent], answer, stop_reason=reason, title=_TITLE, **more)

    missed = TokenCounts(input=12, cache_write=22_800, output=120)
    cut = TokenCounts(input=12, cache_read=23_000, output=30, estimated=True)
    return [
        _title_request(),
        turn(2, 1, tokens=TokenCounts(input=12, cache_write=21_400, output=164), cost_usd=0.0831, seconds=5.6),
        turn(3, 3, seconds=2.1),
        turn(4, 5),
        *_child_requests(),
        turn(7, 7, system=_LATER_SYSTEM, cache_miss="system", tokens=missed, cost_usd=0.0911),
        turn(8, 9, system=_LATER_SYSTEM, outcome="upstream_error", cut_after=12, tokens=cut),
        turn(9, 9, system=_LATER_SYSTEM, seconds=6.1),
    ]


def _title_request() -> Recording:
    return recording(
        1,
        [user(text(f"Write a title of five words for: {_ASKED}"))],
        [text("Fix the footer's year")],
        system="You write titles.",
        tools=(),
        tokens=TokenCounts(input=412, output=7),
        cost_usd=0.0004,
        seconds=0.9,
        title="Write a title of five words for: The date in the footer",
    )


def _child_requests() -> list[Recording]:
    asked = user(text("Look for dates that are read at import."))
    looks = assistant(call("Bash", "toolu_11", command="rg -n 'today\\(\\)' --type py"))
    found = user(result("toolu_11", "site/footer.py:3"))
    return [
        recording(
            number,
            messages,
            answer,
            stop_reason=reason,
            agent=_CHILD,
            system=_CHILD_SYSTEM,
            tools=TOOLS[:3:2],
            tokens=TokenCounts(input=3_120, output=41),
            cost_usd=0.0099,
            seconds=1.7,
            title="Look for dates that are read at import.",
        )
        for number, messages, answer, reason in (
            (5, [asked], looks["content"], "tool_use"),
            (6, [asked, looks, found], [text("Only `site/footer.py` reads a date at import.")], "end_turn"),
        )
    ]


def hostile_recording() -> Recording:
    """A recording in which every text is hostile."""
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/svg+xml", "data": PIXEL}}
    base = recording(
        77,
        [user(text(EVIL), image, {"type": "tool_result", "tool_use_id": EVIL, "content": EVIL, "is_error": True})],
        [thinking(EVIL), text(EVIL), {"type": "tool_use", "id": EVIL, "name": EVIL, "input": {EVIL: EVIL}}],
        system=EVIL,
        tools=[{"name": EVIL, "description": EVIL, "input_schema": {EVIL: EVIL}}],
        agent=EVIL,
        parent=EVIL,
        conversation=EVIL,
        title=EVIL,
    )
    (attempt,) = base.attempts
    entry = replace(
        base.entry, model=EVIL, key=EVIL, team=EVIL, provider=EVIL, deployment=EVIL, error_type=EVIL, path=EVIL
    )
    attempt = replace(attempt, deployment=EVIL, model=EVIL, request_id=EVIL, detail=EVIL, url=f"https://{EVIL}", api="")
    return replace(
        base,
        entry=replace(entry, pinned=EVIL),
        detail=EVIL,
        user_agent=EVIL,
        client_address=EVIL,
        attempts=(
            replace(attempt, request=Body(((EVIL, EVIL),), EVIL.encode(), 3), answer=(Piece(1, EVIL.encode()),)),
        ),
        interventions=(Intervention(EVIL, EVIL, EVIL, 0.1, 0.1, EVIL),),
        moments=(Moment(0.1, EVIL, {EVIL: EVIL}),),
        spans=(RecordedSpan(EVIL, "server", "a", "", 0, 1, EVIL, {EVIL: EVIL}, (Moment(0.1, EVIL),)),),
        access={EVIL: EVIL},
        gateway=EVIL,
        concealed=(EVIL,),
    )
