"""A simulated model's answer to a request, in the common form, as chunks or as one response. Pure.

An answer is a sequence of pieces (thinking, text, refusal, parts of calls), each for one chunk. The request's stop
sequences and max_tokens shorten the sequence, and that decides the finish reason.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from msgspec.structs import replace

from app.backends.simulated.scenario import Scenario, SimulatedCall, lorem
from app.backends.simulated.schema_example import example
from app.dialects import dialect_of
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
    ToolCallPart,
    ToolResultPart,
    Usage,
)

_WORDS = re.compile(r"\s*\S+(?:\s+$)?")
_CALL_COST = 4


@dataclass(frozen=True)
class Thought:
    text: str


@dataclass(frozen=True)
class Signature:
    text: str


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Refusal:
    text: str


@dataclass(frozen=True)
class CallStart:
    index: int
    id: str
    name: str


@dataclass(frozen=True)
class CallArguments:
    index: int
    text: str


Piece = Thought | Signature | Text | Refusal | CallStart | CallArguments


def words(text: str) -> list[str]:
    """Split a text into words, each with the space before it: joined they are the text again."""
    # At each place of nothing but space the pattern would look for a word to the end.
    return [text] if text.isspace() else _WORDS.findall(text)


def split(text: str, size: int | None) -> list[str]:
    if size is None:
        return words(text)
    return [text[start : start + size] for start in range(0, len(text), size)]


def cost(piece: Piece) -> int:
    match piece:
        case Thought(text) | Text(text) | Refusal(text):
            return max(1, len(words(text)))
        case CallStart() | CallArguments():
            return _CALL_COST
        case Signature():
            return 0
        case other:
            assert_never(other)


def delta(piece: Piece) -> Message:
    match piece:
        case Thought(text):
            return Message(reasoning_content=text)
        case Signature(text):
            return Message(thinking_blocks=(ThinkingBlock(signature=text),))
        case Text(text):
            return Message(content=text)
        case Refusal(text):
            return Message(refusal=text)
        case CallStart(index, id, name):
            return Message(tool_calls=(ToolCall(index=index, id=id, function=Function(name=name)),))
        case CallArguments(index, text):
            return Message(tool_calls=(ToolCall(index=index, function=Function(arguments=text)),))
        case other:
            assert_never(other)


_SIGNATURE = "c2ltdWxhdGVkLXNpZ25hdHVyZQ=="
_ARGUMENT_PIECE = 16


@dataclass(frozen=True)
class SimulatedAnswer:
    pieces: tuple[Piece, ...]
    finish_reason: str
    stop_sequence: str | None
    usage: Usage | None
    choices: int


@dataclass(frozen=True)
class CacheUse:
    """Tokens of a prompt that were read from a cache, and those that were written into it."""

    read: int = 0
    written: int = 0


def answer_to(scenario: Scenario, request: Request, turn: int, cache: CacheUse | None = None) -> SimulatedAnswer:
    """The scenario's answer to a request. `turn` counts the requests of a deployment from 0, and chooses among several
    texts. `cache` is None where there is none; then the scenario's fixed share is read."""
    text, stopped = _until_stop(_text(scenario, request, turn), request.stop)
    calls = _calls(scenario, request)
    pieces = [*_thinking(scenario), *_spoken(scenario, text, bool(calls)), *_called(calls)]
    kept = _within(pieces, request.max_tokens)
    natural = scenario.finish_reason or ("tool_calls" if calls else "stop")
    cut_short = len(kept) < len(pieces)
    return SimulatedAnswer(
        pieces=tuple(kept),
        finish_reason="length" if cut_short else natural,
        stop_sequence=None if cut_short else stopped,
        usage=_usage(request, kept, scenario.cached, cache) if scenario.usage else None,
        choices=request.n or 1,
    )


def chunks(answer: SimulatedAnswer, like: ModelResponse) -> Iterator[ModelResponse]:
    """The answer as chunks. The pieces of several choices alternate, as when a provider samples in parallel. Each chunk
    has the id, time and model of `like`. The first tells what the request was counted as, as Anthropic's does."""
    begun = answer.usage and replace(answer.usage, completion_tokens=0, reasoning_tokens=0)
    for index in range(answer.choices):
        chunk = _chunk(like, Choice(index=index, delta=Message(role="assistant", content="")))
        yield chunk if index else replace(chunk, usage=begun)
    for piece in answer.pieces:
        for index in range(answer.choices):
            yield _chunk(like, Choice(index=index, delta=delta(piece)))
    for index in range(answer.choices):
        yield _chunk(like, _ending(answer, Choice(index=index, delta=Message())))
    if answer.usage:
        yield replace(like, usage=answer.usage)


def whole(answer: SimulatedAnswer, like: ModelResponse) -> ModelResponse:
    """The answer as one response, with the id, time and model of `like`."""
    message = Message(
        role="assistant",
        content=_joined(answer, Text),
        refusal=_joined(answer, Refusal),
        reasoning_content=_joined(answer, Thought),
        thinking_blocks=_thinking_blocks(answer),
        tool_calls=_whole_calls(answer),
    )
    choices = tuple(_ending(answer, Choice(index=index, message=message)) for index in range(answer.choices))
    return replace(like, choices=choices, usage=answer.usage)


def count_tokens(text: str) -> int:
    """A plausible number: a token for each word, or for each eight characters if that is more."""
    return max(len(words(text)), len(text) // 8)


def count_request_tokens(request: Request) -> int:
    return sum(tokens for _, tokens in prompt_blocks(request)) + 3


def prompt_blocks(request: Request) -> list[tuple[str, int]]:
    """What each tool says, then each message, with its tokens: in the order in which prompts are cached."""
    tools = [f"{tool.name} {tool.description} {json.dumps(tool.parameters)}" for tool in request.tools]
    messages = [(_content(message), count_tokens(_plain(message.parts)) + 4) for message in request.messages]
    return [*((tool, count_tokens(tool)) for tool in tools), *messages]


def _content(message: InputMessage) -> str:
    """All that a message says, without the marks of what is to be cached."""
    return "\n".join([message.role, *map(_part_content, message.parts)])


def _part_content(part: Part) -> str:
    match part:
        case TextPart(text=text):
            return text
        case ToolCallPart(id=id, name=name, arguments=arguments):
            return f"{id} {name} {arguments}"
        case ToolResultPart(tool_call_id=id, content=content):
            return "\n".join([id, *map(_part_content, content)])
        case _:
            return repr(part)


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
                return f"The tool said: {' '.join(results)}"
            return scenario.texts[turn % len(scenario.texts)] if scenario.texts else lorem(20)
        case other:
            assert_never(other)


def _calls(scenario: Scenario, request: Request) -> Sequence[SimulatedCall]:
    # An agent whose model called a tool again each time would go on for ever.
    if _results(request):
        return ()
    if scenario.tool_calls:
        return scenario.tool_calls
    choice = request.tool_choice
    if scenario.answer != "tools" or (choice and choice.mode == "none"):
        return ()
    tools = dialect_of(request).plain_tools(request).tools
    if choice and choice.mode == "named":
        tools = tuple(tool for tool in tools if tool.name == choice.name)
    count = 1 if request.parallel_tool_calls is False else scenario.calls
    chosen = [tools[i % len(tools)] for i in range(count)] if tools else []
    return [SimulatedCall(tool.name, example(tool.parameters or {"type": "object"})) for tool in chosen]


def _thinking(scenario: Scenario) -> Iterator[Piece]:
    if scenario.thinking:
        yield from (Thought(piece) for piece in split(scenario.thinking, scenario.chunk_size))
        yield Signature(_SIGNATURE)


def _spoken(scenario: Scenario, text: str, calls: bool) -> Iterator[Piece]:
    """The text or the refusal. A model that calls tools has none, unless its scenario gives it texts."""
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


def _usage(request: Request, kept: Sequence[Piece], cached: float, cache: CacheUse | None) -> Usage:
    thought = sum(cost(piece) for piece in kept if isinstance(piece, Thought))
    prompt = count_request_tokens(request)
    use = cache or CacheUse(read=int(prompt * cached))
    return Usage(
        prompt_tokens=prompt,
        cache_read_input_tokens=use.read,
        cache_creation_input_tokens=use.written,
        completion_tokens=sum(map(cost, kept)) * (request.n or 1),
        reasoning_tokens=thought * (request.n or 1),
    )


def _chunk(like: ModelResponse, choice: Choice) -> ModelResponse:
    return replace(like, choices=(choice,))


def _ending(answer: SimulatedAnswer, choice: Choice) -> Choice:
    return replace(choice, finish_reason=answer.finish_reason, stop_sequence=answer.stop_sequence)


def _joined(answer: SimulatedAnswer, kind: type[Text] | type[Refusal] | type[Thought]) -> str | None:
    return "".join(piece.text for piece in answer.pieces if isinstance(piece, kind)) or None


def _thinking_blocks(answer: SimulatedAnswer) -> tuple[ThinkingBlock, ...]:
    thought = _joined(answer, Thought)
    signature = next((piece.text for piece in answer.pieces if isinstance(piece, Signature)), None)
    return (ThinkingBlock(thinking=thought, signature=signature),) if thought else ()


def _whole_calls(answer: SimulatedAnswer) -> tuple[ToolCall, ...]:
    starts = [piece for piece in answer.pieces if isinstance(piece, CallStart)]
    return tuple(
        ToolCall(
            index=start.index,
            id=start.id,
            function=Function(
                name=start.name,
                arguments="".join(
                    piece.text
                    for piece in answer.pieces
                    if isinstance(piece, CallArguments) and piece.index == start.index
                ),
            ),
        )
        for start in starts
    )


def _last(request: Request, role: str) -> InputMessage:
    return next((m for m in reversed(request.messages) if m.role == role), InputMessage(role="user", parts=()))


def _results(request: Request) -> list[str]:
    """What the tools said that were used last in this turn of the assistant's; empty where none was. Agents may put
    messages of their own behind the results, so a turn goes back to the last answer that called no tool."""
    for message in reversed(request.messages):
        if results := [part for part in message.parts if isinstance(part, ToolResultPart)]:
            return [_plain(part.content) or "nothing" for part in results]
        if message.role == "assistant" and not any(isinstance(part, ToolCallPart) for part in message.parts):
            return []
    return []


def _plain(parts: Sequence[Part]) -> str:
    return "\n".join(part.text for part in parts if isinstance(part, TextPart))
