"""What a simulated model says to a request: pure, in the common form, as chunks or as one response.

An answer is a row of pieces (thinking, text, refusal, parts of calls). A piece is what one chunk carries; the request's
stop sequences and max_tokens shorten the row, and that decides the finish reason.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from msgspec.structs import replace

from app.backends.simulated.arguments import example
from app.backends.simulated.pieces import (
    CallArguments,
    CallStart,
    Piece,
    Refusal,
    Signature,
    Text,
    Thought,
    cost,
    delta,
    split,
    words,
)
from app.backends.simulated.scenario import Scenario, SimulatedCall, lorem
from app.dialects.namespaces import flattened
from app.messages import (
    Choice,
    Function,
    InputMessage,
    Message,
    ModelResponse,
    Part,
    Request,
    TextPart,
    ThinkingBlock,
    ToolCall,
    ToolResultPart,
    Usage,
)

_SIGNATURE = "c2ltdWxhdGVkLXNpZ25hdHVyZQ=="
_ARGUMENT_PIECE = 16


@dataclass(frozen=True)
class Answer:
    pieces: tuple[Piece, ...]
    finish_reason: str
    stop_sequence: str | None
    usage: Usage | None
    choices: int


def answer(scenario: Scenario, request: Request, turn: int) -> Answer:
    """`turn` counts the requests of a deployment from 0; it chooses among several texts."""
    text, stopped = _until_stop(_text(scenario, request, turn), request.stop)
    calls = _calls(scenario, request)
    pieces = [*_thinking(scenario), *_said(scenario, text, bool(calls)), *_called(calls)]
    kept = _within(pieces, request.max_tokens)
    natural = scenario.finish_reason or ("tool_calls" if calls else "stop")
    cut_short = len(kept) < len(pieces)
    return Answer(
        pieces=tuple(kept),
        finish_reason="length" if cut_short else natural,
        stop_sequence=None if cut_short else stopped,
        usage=_usage(request, kept, scenario.cached) if scenario.usage else None,
        choices=request.n or 1,
    )


def chunks(said: Answer, like: ModelResponse) -> Iterator[ModelResponse]:
    """With several choices their pieces take turns, as they do when a provider samples in parallel."""
    for index in range(said.choices):
        yield _chunk(like, Choice(index=index, delta=Message(role="assistant", content="")))
    for piece in said.pieces:
        for index in range(said.choices):
            yield _chunk(like, Choice(index=index, delta=delta(piece)))
    for index in range(said.choices):
        yield _chunk(like, _ending(said, Choice(index=index, delta=Message())))
    if said.usage:
        yield replace(like, usage=said.usage)


def whole(said: Answer, like: ModelResponse) -> ModelResponse:
    message = Message(
        role="assistant",
        content=_joined(said, Text),
        refusal=_joined(said, Refusal),
        reasoning_content=_joined(said, Thought),
        thinking_blocks=_thinking_blocks(said),
        tool_calls=_whole_calls(said),
    )
    choices = tuple(_ending(said, Choice(index=index, message=message)) for index in range(said.choices))
    return replace(like, choices=choices, usage=said.usage)


def count_tokens(text: str) -> int:
    """One a word, more where words are long: plausible, not exact."""
    return max(len(words(text)), len(text) // 8)


def count_request_tokens(request: Request) -> int:
    texts = [_plain(message.parts) for message in request.messages]
    tools = [f"{tool.name} {tool.description} {json.dumps(tool.parameters)}" for tool in request.tools]
    return sum(count_tokens(text) + 4 for text in texts) + sum(count_tokens(tool) for tool in tools) + 3


def _text(scenario: Scenario, request: Request, turn: int) -> str:
    match scenario.answer:
        case "echo":
            return _plain(_last(request, "user").parts) or "..."
        case "empty":
            return ""
        case "refusal":
            return scenario.texts[turn % len(scenario.texts)] if scenario.texts else "I cannot help with that."
        case "text" | "tools":
            if scenario.answer == "tools" and (results := _results(request)):
                return f"The tool said: {results}"
            return scenario.texts[turn % len(scenario.texts)] if scenario.texts else lorem(20)
        case other:
            assert_never(other)


def _calls(scenario: Scenario, request: Request) -> Sequence[SimulatedCall]:
    if scenario.tool_calls:
        return scenario.tool_calls
    choice = request.tool_choice
    if scenario.answer != "tools" or _results(request) or (choice and choice.mode == "none"):
        return ()
    tools = flattened(request).tools
    if choice and choice.mode == "named":
        tools = tuple(tool for tool in tools if tool.name == choice.name)
    count = 1 if request.parallel_tool_calls is False else scenario.calls
    chosen = [tools[i % len(tools)] for i in range(count)] if tools else []
    return [SimulatedCall(tool.name, example(tool.parameters or {"type": "object"})) for tool in chosen]


def _thinking(scenario: Scenario) -> Iterator[Piece]:
    if scenario.thinking:
        yield from (Thought(piece) for piece in split(scenario.thinking, scenario.chunk_size))
        yield Signature(_SIGNATURE)


def _said(scenario: Scenario, text: str, calls: bool) -> Iterator[Piece]:
    """A model that calls tools says nothing beside it, unless it was given texts."""
    if calls and not scenario.texts:
        return
    kind = Refusal if scenario.answer == "refusal" else Text
    yield from (kind(piece) for piece in split(text, scenario.chunk_size))


def _called(calls: Sequence[SimulatedCall]) -> Iterator[Piece]:
    for index, call in enumerate(calls):
        arguments = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)
        yield CallStart(index, f"call_simulated_{index}", call.name)
        for start in range(0, len(arguments), _ARGUMENT_PIECE):
            yield CallArguments(index, arguments[start : start + _ARGUMENT_PIECE])


def _until_stop(text: str, stops: Sequence[str]) -> tuple[str, str | None]:
    found = [(at, stop) for stop in stops if stop and (at := text.find(stop)) >= 0]
    if not found:
        return text, None
    at, stop = min(found)
    return text[:at], stop


def _within(pieces: Sequence[Piece], budget: int | None) -> list[Piece]:
    kept: list[Piece] = []
    spent = 0
    for piece in pieces:
        spent += cost(piece)
        if budget is not None and spent > budget:
            break
        kept.append(piece)
    return kept


def _usage(request: Request, kept: Sequence[Piece], cached: float) -> Usage:
    thought = sum(cost(piece) for piece in kept if isinstance(piece, Thought))
    prompt = count_request_tokens(request)
    return Usage(
        prompt_tokens=prompt,
        cache_read_input_tokens=int(prompt * cached),
        completion_tokens=sum(map(cost, kept)) * (request.n or 1),
        reasoning_tokens=thought * (request.n or 1),
    )


def _chunk(like: ModelResponse, choice: Choice) -> ModelResponse:
    return replace(like, choices=(choice,))


def _ending(said: Answer, choice: Choice) -> Choice:
    return replace(choice, finish_reason=said.finish_reason, stop_sequence=said.stop_sequence)


def _joined(said: Answer, kind: type[Text] | type[Refusal] | type[Thought]) -> str | None:
    return "".join(piece.text for piece in said.pieces if isinstance(piece, kind)) or None


def _thinking_blocks(said: Answer) -> tuple[ThinkingBlock, ...]:
    thought = _joined(said, Thought)
    signature = next((piece.text for piece in said.pieces if isinstance(piece, Signature)), None)
    return (ThinkingBlock(thinking=thought, signature=signature),) if thought else ()


def _whole_calls(said: Answer) -> tuple[ToolCall, ...]:
    starts = [piece for piece in said.pieces if isinstance(piece, CallStart)]
    return tuple(
        ToolCall(
            index=start.index,
            id=start.id,
            function=Function(
                name=start.name,
                arguments="".join(
                    piece.text
                    for piece in said.pieces
                    if isinstance(piece, CallArguments) and piece.index == start.index
                ),
            ),
        )
        for start in starts
    )


def _last(request: Request, role: str) -> InputMessage:
    return next((m for m in reversed(request.messages) if m.role == role), InputMessage(role="user", parts=()))


def _results(request: Request) -> str:
    last = request.messages[-1].parts if request.messages else ()
    return " ".join(_plain(part.content) or "nothing" for part in last if isinstance(part, ToolResultPart))


def _plain(parts: Sequence[Part]) -> str:
    return "\n".join(part.text for part in parts if isinstance(part, TextPart))
