"""Calls of a response whose tools are custom ones for the client, and were functions for the provider. Pure.

The client gets the text that the model wrote as the function's `input`, in a stream as it comes. Arguments that are no
object with such a text go on as they are: what a custom tool is called with may be any text, and the tool itself says
whether it can use it.
"""

import json
import operator
import re
from collections.abc import Collection, Iterator
from itertools import chain

from msgspec.structs import replace

from app.dialects.tool_calls import are_none, parsed_object
from app.dialects.translation.custom_tools import INPUT, KIND
from app.messages import Choice, Function, Message, ModelResponse, ToolCall

_HEAD = re.compile(rf'\s*{{\s*"{INPUT}"\s*:\s*"')
_HEX = "[0-9a-fA-F]"
_HIGH, _LOW = rf"\\u[dD][89abAB]{_HEX}{{2}}", rf"\\u[dD][c-fC-F]{_HEX}{{2}}"
_CHARACTERS = re.compile(
    r"(?:"
    r'[^"\\]++'
    r"|\\[\"\\/bfnrt]"
    rf"|\\u(?![dD][89abAB]){_HEX}{{4}}"
    rf"|{_HIGH}{_LOW}"
    # Half of a pair, as what comes behind it shows.
    rf"|{_HIGH}(?=[^\\]|\\[^u]|\\u(?!{_HEX}{{0,3}}\Z|[dD][c-fC-F]))"
    r")*+"
)
"""Characters and escapes that are whole."""
_BEGUN_ESCAPE = re.compile(rf"(?:{_HIGH})?\\(?:u{_HEX}{{0,3}})?|{_HIGH}")
_HALF = re.compile("[\ud800-\udfff]")
_Key = tuple[int, int]
"""The index of a choice, and that of a call in it."""


class InputReader:
    """The text of `input`, out of the arguments of one call in pieces."""

    __slots__ = ("_has_begun", "_has_ended", "_is_plain", "_waiting")

    def __init__(self) -> None:
        self._waiting = ""
        self._has_begun = False
        self._has_ended = False
        self._is_plain = False
        """The arguments are no object: they are the text themselves."""

    def feed(self, piece: str) -> str:
        """What the piece adds to the text."""
        if self._is_plain:
            return piece
        if self._has_ended:
            return ""
        self._waiting += piece
        return self._characters() if self._has_begun else self._begin()

    def finish(self) -> str:
        """What is still to be said when the call is over; half an escape says nothing."""
        rest, self._waiting = self._waiting, ""
        if self._has_begun or are_none(rest):
            return ""
        self._has_ended = True
        arguments = parsed_object(rest)
        if arguments is None:
            return rest
        text = arguments.get(INPUT, None if arguments else "")
        return text if isinstance(text, str) else rest

    def _begin(self) -> str:
        if head := _HEAD.match(self._waiting):
            self._has_begun = True
            self._waiting = self._waiting[head.end() :]
            return self._characters()
        start = self._waiting.lstrip()
        if start and not start.startswith("{") and not "null".startswith(start):
            self._is_plain = True
            plain, self._waiting = self._waiting, ""
            return plain
        return ""

    def _characters(self) -> str:
        texts: list[str] = []
        while True:
            whole = _CHARACTERS.match(self._waiting)
            end = whole.end() if whole else 0
            texts.append(_decoded(self._waiting[:end]))
            rest = self._waiting[end:]
            if rest.startswith('"'):
                self._has_ended, self._waiting = True, ""
                break
            if not rest or _BEGUN_ESCAPE.fullmatch(rest):
                self._waiting = rest
                break
            # No escape of JSON's: a backslash that was meant as one.
            texts.append("\\")
            self._waiting = rest[1:]
        return "".join(texts)


def _decoded(written: str) -> str:
    if "\\" not in written:
        return written
    text: str = json.loads(f'"{written}"', strict=False)
    return _HALF.sub("\ufffd", text) if "\\u" in written else text


class CustomCalls:
    """The calls of one response, chunk by chunk or whole; `names`: the client's custom tools."""

    __slots__ = ("_names", "_open")

    def __init__(self, names: Collection[str]) -> None:
        self._names = frozenset(names)
        self._open: dict[_Key, InputReader] = {}

    def as_for_client(self, response: ModelResponse) -> ModelResponse:
        """The response with calls of custom tools as such; the same object where it holds nothing of one."""
        if not self._open and not _has_calls(response):
            return response
        choices = list(map(self._choice, response.choices))
        for key in self._ended_by(response) if self._open else ():
            if rest := self._open.pop(key).finish():
                choices = _with_rest(choices, key, rest)
        if len(choices) == len(response.choices) and all(map(operator.is_, choices, response.choices)):
            return response
        return replace(response, choices=tuple(choices))

    def _choice(self, choice: Choice) -> Choice:
        if choice.message is not None and choice.message.tool_calls:
            calls = tuple(map(self._whole, choice.message.tool_calls))
            return choice if _are_same(calls, choice.message) else _with_calls(choice, calls)
        if choice.delta is not None and choice.delta.tool_calls:
            calls = tuple(chain.from_iterable(self._pieces(choice.index, call) for call in choice.delta.tool_calls))
            return choice if _are_same(calls, choice.delta) else _with_calls(choice, calls)
        return choice

    def _is_custom(self, call: ToolCall) -> bool:
        return call.function.name in self._names and call.type != KIND

    def _whole(self, call: ToolCall) -> ToolCall:
        if not self._is_custom(call):
            return call
        reader = InputReader()
        return _custom(call, reader.feed(call.function.arguments) + reader.finish())

    def _pieces(self, choice: int, call: ToolCall) -> Iterator[ToolCall]:
        """The piece of a call, behind what is left of one that had its index: some providers number all of theirs 0."""
        key = choice, call.index
        if call.function.name:
            before = self._open.pop(key, None)
            if before is not None and (rest := before.finish()):
                yield _custom(ToolCall(call.index), rest)
        if self._is_custom(call):
            self._open[key] = InputReader()
        reader = self._open.get(key)
        yield call if reader is None else _custom(call, reader.feed(call.function.arguments))

    def _ended_by(self, response: ModelResponse) -> list[_Key]:
        """The calls of which nothing comes after this chunk."""
        over = {choice.index for choice in response.choices if choice.finish_reason is not None}
        ends = response.ends
        return [
            (choice, call)
            for choice, call in self._open
            if choice in over or (choice == 0 and (ends == "all" or ends == call))
        ]


def _has_calls(response: ModelResponse) -> bool:
    for choice in response.choices:
        message = choice.delta or choice.message
        if message is not None and message.tool_calls:
            return True
    return False


def _custom(call: ToolCall, text: str) -> ToolCall:
    return replace(call, type=KIND, function=replace(call.function, arguments=text))


def _are_same(calls: tuple[ToolCall, ...], message: Message) -> bool:
    return len(calls) == len(message.tool_calls) and all(map(operator.is_, calls, message.tool_calls))


def _with_calls(choice: Choice, calls: tuple[ToolCall, ...]) -> Choice:
    if choice.message is not None:
        return replace(choice, message=replace(choice.message, tool_calls=calls))
    return replace(choice, delta=replace(choice.delta or Message(), tool_calls=calls))


def _with_rest(choices: list[Choice], key: _Key, text: str) -> list[Choice]:
    """The choices of a chunk with what is left of a call behind all else of them."""
    index, call = key
    rest = ToolCall(call, type=KIND, function=Function(arguments=text))
    for at, choice in enumerate(choices):
        if choice.index == index:
            calls = choice.delta.tool_calls if choice.delta is not None else ()
            return [*choices[:at], _with_calls(choice, (*calls, rest)), *choices[at + 1 :]]
    return [*choices, Choice(index, Message(tool_calls=(rest,)))]
