"""What LiteLLM does to a stream and can be undone, with the memory of one stream: pure.

Calls of a provider's own tools (`server_tool_use`) look like calls for the client, which might run them: they are taken
out and the others renumbered. With several choices the finish reasons collapse into one: each gets its own back.
Refusals are dropped: they are put back before what follows them. The model's name is the provider's, not ours.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from app.backends.litellm.tap import Heard
from app.messages import Choice, Message, ModelResponse, ToolCall

_SERVER_CALL = "srvtoolu_"


class Repair:
    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self._last = ModelResponse()
        self._finished: set[int] = set()
        self._server_calls: set[tuple[int, int]] = set()
        self._indexes: dict[tuple[int, int], int] = {}

    def feed(self, chunk: ModelResponse) -> Iterator[ModelResponse]:
        if self._heard.model and chunk.model != self._heard.model:
            chunk = replace(chunk, model=self._heard.model)
        self._last = replace(chunk, choices=(), usage=None)
        yield from self._refusals()
        if not chunk.choices:
            yield from self._finishes()
            yield chunk
            return
        kept = tuple(choice for said in chunk.choices if (choice := self._without_server_calls(said)))
        if len(self._heard.choices) > 1 and any(choice.finish_reason for choice in kept):
            kept = tuple(choice for choice in kept if not choice.finish_reason)
            yield from self._finishes()
        if kept or chunk.usage:
            yield chunk if kept == chunk.choices else replace(chunk, choices=kept)

    def finish(self) -> Iterator[ModelResponse]:
        yield from self._refusals()
        yield from self._finishes()

    def _refusals(self) -> Iterator[ModelResponse]:
        said, self._heard.refusals[:] = list(self._heard.refusals), []
        for index, text in said:
            yield replace(self._last, choices=(Choice(index=index, delta=Message(refusal=text)),))

    def _finishes(self) -> Iterator[ModelResponse]:
        """Of several choices, those that ended and were not told yet. A single one's end LiteLLM tells itself."""
        if len(self._heard.choices) < 2:
            return
        for index, reason in sorted(self._heard.finish_reasons.items()):
            if index not in self._finished:
                self._finished.add(index)
                ended = Choice(index=index, delta=Message(), finish_reason=reason)
                yield replace(self._last, choices=(ended,))

    def _without_server_calls(self, choice: Choice) -> Choice | None:
        said = choice.delta
        if said is None or not said.tool_calls:
            return choice
        calls = tuple(call for one in said.tool_calls if (call := self._call(choice.index, one)))
        if calls == said.tool_calls:
            return choice
        delta = replace(said, tool_calls=calls)
        empty = delta == Message() and not choice.finish_reason
        return None if empty else replace(choice, delta=delta)

    def _call(self, choice: int, call: ToolCall) -> ToolCall | None:
        key = (choice, call.index)
        if call.id and call.id.startswith(_SERVER_CALL):
            self._server_calls.add(key)
        if key in self._server_calls:
            return None
        position = self._indexes.setdefault(key, sum(1 for other, _ in self._indexes if other == choice))
        return call if position == call.index else replace(call, index=position)


def without_server_calls(response: ModelResponse) -> ModelResponse:
    """The same for a response that came whole."""
    return replace(response, choices=tuple(_whole(choice) for choice in response.choices))


def _whole(choice: Choice) -> Choice:
    if choice.message is None:
        return choice
    calls = [call for call in choice.message.tool_calls if not (call.id and call.id.startswith(_SERVER_CALL))]
    numbered = tuple(replace(call, index=at) for at, call in enumerate(calls))
    return replace(choice, message=replace(choice.message, tool_calls=numbered))
