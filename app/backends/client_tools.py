"""The calls in a response as its client knows the tools, where its provider was told of them otherwise: by shorter
names, or of functions in place of custom tools. All that calls none of these goes on as it came.
"""

from app.dialects import dialect_of
from app.dialects.translation.custom_calls import CustomCalls
from app.dialects.translation.tool_names import with_client_names
from app.messages import Batch, Received, Request
from app.opened_stream import OpenedStream
from app.stages import Source, Taker


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

    def batch(self, batch: Batch) -> list[Received]:
        """The chunks of a stream, one after the other. A run of a call's pieces goes on as its events: what of each is
        the text of a custom tool is another question each time."""
        if self._custom is not None:
            batch = [one for run in batch for one in (run.apart() if _adds_arguments(run) else (run,))]
        return [self.received(received) for received in batch]


def _adds_arguments(run: Received) -> bool:
    return run.count > 1 and bool((delta := run.chunk.choices[0].delta) and delta.tool_calls)


async def with_client_tools(stream: OpenedStream, request: Request) -> OpenedStream:
    """The whole stream, with its calls as the client knows the tools."""
    tools = ClientTools(request)
    if tools.are_the_providers:
        return stream
    try:
        return OpenedStream(tools.batch(stream.first), _Renamed(stream.rest, tools))
    except BaseException:
        await stream.rest.aclose()
        raise


class _Renamed:
    """A stream whose calls are read as the client knows the tools."""

    def __init__(self, stream: Source[Received], tools: ClientTools) -> None:
        self._stream = stream
        self._tools = tools

    async def pass_to(self, taker: Taker[Received]) -> bool:
        self._taker = taker
        try:
            return await self._stream.pass_to(self)
        finally:
            del self._taker

    def take(self, batch: Batch) -> bool:
        return self._taker.take(self._tools.batch(batch))

    async def aclose(self) -> None:
        await self._stream.aclose()
