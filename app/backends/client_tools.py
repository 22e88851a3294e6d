"""The calls in a response as its client knows the tools, where its provider was told of them otherwise: by shorter
names, or of functions in place of custom tools. All that calls none of these goes on as it came.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from app.dialects import dialect_of
from app.dialects.translation.custom_calls import CustomCalls
from app.dialects.translation.tool_names import with_client_names
from app.messages import Batch, Received, Request
from app.opened_stream import OpenedStream


class ClientTools:
    """Reads one response to the request."""

    def __init__(self, request: Request) -> None:
        dialect = dialect_of(request)
        self._names = dialect.tool_names(request)
        self._custom = CustomCalls(names) if (names := dialect.custom_tools(request)) else None
        self.are_the_providers = not self._names and self._custom is None
        """Whether no provider is told of any tool otherwise."""

    def received(self, received: Received) -> Received:
        if self.are_the_providers:
            return received
        chunk = with_client_names(received.chunk, self._names)
        return received.holding(chunk if self._custom is None else self._custom.as_for_client(chunk))


async def with_client_tools(stream: OpenedStream, request: Request) -> OpenedStream:
    """The whole stream, with its calls as the client knows the tools."""
    tools = ClientTools(request)
    if tools.are_the_providers:
        return stream
    changed = _changed(stream, tools)
    return OpenedStream(await anext(changed), changed)


async def _changed(stream: OpenedStream, tools: ClientTools) -> AsyncGenerator[Batch, None]:
    async with aclosing(stream.rest) as rest:
        yield [tools.received(received) for received in stream.first]
        async for batch in rest:
            yield [tools.received(received) for received in batch]
