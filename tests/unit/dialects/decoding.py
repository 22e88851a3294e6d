"""A provider's body as the chunks that its backend makes of it."""

from collections.abc import Callable

from app.backends.direct.codec import StreamDecoder
from app.backends.direct.stream_events import Events
from app.dialects.anthropic_messages.response_decoding import ResponseDecoder as AnthropicDecoder
from app.dialects.openai_chat.response_decoding import ResponseDecoder as OpenAIDecoder
from app.dialects.openai_completions.response_decoding import ResponseDecoder as CompletionsDecoder
from app.dialects.openai_responses.response_decoding import ResponseDecoder as ResponsesDecoder
from app.errors import GatewayError
from app.messages import Dialect, Received

DECODERS: dict[Dialect, Callable[[], StreamDecoder]] = {
    "openai_chat": OpenAIDecoder,
    "anthropic_messages": AnthropicDecoder,
    "openai_responses": ResponsesDecoder,
    "openai_completions": CompletionsDecoder,
}


def decoded(dialect: Dialect, body: bytes) -> tuple[list[Received], GatewayError | None]:
    """The chunks of a body, and what the backend raises if it is not whole or is an error."""
    events = Events(DECODERS[dialect](), scrub=lambda text: text, event_limit=1 << 22)
    chunks: list[Received] = []
    try:
        # Even those before an error: a list made at once would be lost with it.
        chunks.extend(events.chunk(item) for item in events.reader.feed(body))
        chunks.extend(events.last_chunk(item) for item in events.reader.finish())
        events.check_end()
    except GatewayError as error:
        return chunks, error
    return chunks, None
