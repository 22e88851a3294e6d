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
    received, error = together(dialect, body)
    # What is told beside an error has no bytes.
    return [event for one in received for event in one.apart() if event.native is not None], error


def together(dialect: Dialect, body: bytes) -> tuple[list[Received], GatewayError | None]:
    """As `decoded`, of a body that came in one read."""
    events = Events(DECODERS[dialect](), scrub=lambda text: text, event_limit=1 << 22)
    received: list[Received] = []
    try:
        received += events.feed(body)
        events.check()
        received += events.finish()
        events.check()
        events.check_end()
    except GatewayError as error:
        return received, error
    return received, None
