"""Ids of tool calls: invented where a provider gives none or counts from 0 in each answer, and fitted to what the next
provider of a conversation takes. Pure.

A client keeps the ids of all turns, and Anthropic refuses a conversation in which two calls have the same one. An id
that a provider made well stays, so that a search finds it.
"""

import re
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from msgspec.structs import replace

from app.messages import (
    Choice,
    InputMessage,
    ModelResponse,
    Part,
    Request,
    ToolCall,
    ToolCallPart,
    ToolResultPart,
)

_WORD = r"(?:call|tool|tooluse|toolu|functions?|fc|id)?[\W_]*"
_COUNTER = re.compile(rf"{_WORD}(\d*)")
_NAME = "\0"
_NAME_AND_COUNTER = re.compile(rf"{_WORD}{_NAME}(?:[\W_]+(\d+))?")
_DIGEST = 8
_OF_CALLS = (ToolCallPart, ToolResultPart)


class CallIds:
    """The ids of one answer's calls. `prefix` is the transaction's own; `request` is what is answered."""

    def __init__(self, prefix: str, request: Request) -> None:
        self._prefix = prefix
        self._request = request
        self._taken: set[str] | None = None

    def give(self, call: ToolCall, position: int) -> str:
        """The id for the client: the provider's, unless there is none or another call has it, or might in a later
        turn: one that says no more than the call's position or its name."""
        if self._taken is None:
            self._taken = set(_ids(self._request))
        given = call.id
        if given and given not in self._taken and not _is_counter(given, call.function.name or "", position):
            self._taken.add(given)
            return given
        if given:
            self._taken.add(given)
        return f"{self._prefix}_{position}"


def prefix_of(transaction_id: str, kind: str = "call", choice: int = 0) -> str:
    """What the ids that are invented in a transaction begin with: at most 38 characters, as OpenAI takes 40."""
    unique = transaction_id.rpartition("_")[2]
    return f"{kind}_{unique}_{choice}" if choice else f"{kind}_{unique}"


def with_unique_ids(response: ModelResponse, request: Request, transaction_id: str) -> ModelResponse:
    """A whole response for a client of another dialect, each call with an id of its own; the same object where all
    have one."""
    for choice in response.choices:
        if choice.message is not None and choice.message.tool_calls:
            break
    else:
        return response
    choices = tuple([_with_unique_ids(choice, request, transaction_id) for choice in response.choices])
    if all(new is old for new, old in zip(choices, response.choices, strict=True)):
        return response
    return replace(response, choices=choices)


def _with_unique_ids(choice: Choice, request: Request, transaction_id: str) -> Choice:
    message = choice.message
    if message is None or not message.tool_calls:
        return choice
    ids = CallIds(prefix_of(transaction_id, choice=choice.index), request)
    calls = tuple([replace(call, id=ids.give(call, at)) for at, call in enumerate(message.tool_calls)])
    return choice if calls == message.tool_calls else replace(choice, message=replace(message, tool_calls=calls))


def _ids(request: Request) -> Iterator[str]:
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, ToolCallPart):
                yield part.id


def _is_counter(id: str, name: str, position: int) -> bool:
    """Whether an id is the call's position or name, with or without a word before it (`call_0`, `functions.read:0`)."""
    found = _COUNTER.fullmatch(id) or (_NAME_AND_COUNTER.fullmatch(_NAME.join(id.rsplit(name, 1))) if name else None)
    return found is not None and found[1] in (None, "", str(position))


@dataclass(frozen=True)
class CallIdForm:
    """What a provider takes for an id of a call."""

    legal: re.Pattern[str]
    longest: int
    illegal: re.Pattern[str] = re.compile(r"[^a-zA-Z0-9_-]")
    """What is replaced in an id that is not `legal`."""
    exact: bool = False
    """All are as long as the longest."""
    unique: bool = False
    """No two calls of a conversation may have the same."""

    def fit(self, id: str) -> str:
        """`id` itself where it is legal; else always the same one in its place."""
        if self.legal.fullmatch(id):
            return id
        digest = sha256(id.encode()).hexdigest()
        if self.exact:
            return digest[: self.longest]
        plain = id if self.legal.fullmatch(id[: self.longest]) else self.illegal.sub("_", id)
        plain = plain or "call"
        if len(plain) <= self.longest:
            return plain
        return f"{plain[: self.longest - _DIGEST - 1]}_{digest[:_DIGEST]}"


def with_fitting_ids(request: Request, form: CallIdForm) -> Request:
    """The request with ids that the provider takes: a call and its result still belong together, and a longer
    conversation has the same ones at its beginning. The same object where all fit."""
    if not request.has_calls:
        return request
    fitting = _Fitting(form)
    messages = tuple([fitting.message(message) for message in request.messages])
    if all(new is old for new, old in zip(messages, request.messages, strict=True)):
        return request
    return replace(request, messages=messages)


class _Fitting:
    def __init__(self, form: CallIdForm) -> None:
        self._form = form
        self._taken: set[str] = set()
        self._waiting: dict[str, deque[str]] = defaultdict(deque)
        """The new ids of calls whose results have not come, by the old one."""
        self._answered: dict[str, str] = {}
        self._is_answering = False

    def message(self, message: InputMessage) -> InputMessage:
        if message.role == "assistant" and self._is_answering:
            self._waiting.clear()
        self._is_answering = message.role != "assistant"
        fitted: list[Part] | None = None
        for at, part in enumerate(message.parts):
            if isinstance(part, _OF_CALLS) and (new := self._part(part)) is not part:
                fitted = [*message.parts] if fitted is None else fitted
                fitted[at] = new
        return message if fitted is None else replace(message, parts=tuple(fitted))

    def _part(self, part: ToolCallPart | ToolResultPart) -> Part:
        match part:
            case ToolCallPart(id=id):
                new = self._called(id)
                return part if new == id else replace(part, id=new)
            case ToolResultPart(tool_call_id=id):
                new = self._result(id)
                return part if new == id else replace(part, tool_call_id=new)

    def _called(self, id: str) -> str:
        new = self._form.fit(id)
        number = 1
        while self._form.unique and new in self._taken:
            number += 1
            new = self._form.fit(f"{id}_{number}")
        self._taken.add(new)
        self._waiting[id].append(new)
        return new

    def _result(self, id: str) -> str:
        if waiting := self._waiting.get(id):
            self._answered[id] = waiting.popleft()
        return self._answered.get(id) or self._form.fit(id)
