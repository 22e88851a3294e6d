"""What is fuzzed: pure functions of bytes that may refuse them, as it is promised, and never fail otherwise.

A target raises for a finding. `TARGETS` has for each the inputs to begin from.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import msgspec

from app.backends.direct.bodies import parse_body as parse_answer
from app.backends.direct.completions_and_embeddings import EmbeddingsCodec
from app.backends.direct.sse import EventReader, Item, items_of
from app.backends.direct.stream_events import Events
from app.bodies.request_body import parse_body
from app.dialects import DIALECTS, StreamingDialect, client_dialects, openai_embeddings, streaming_dialects
from app.dialects.anthropic_messages import response_decoding as anthropic_response
from app.dialects.errors import ProviderFailed
from app.dialects.estimate import estimate_input_tokens
from app.dialects.openai_chat import response_decoding as chat_response
from app.dialects.openai_completions import response_decoding as completions_response
from app.dialects.openai_responses import response_decoding as responses_response
from app.dialects.response_checks import checked
from app.errors import BackendError, ClientError, GatewayError
from app.messages import Dialect, ModelResponse, Received, Request, as_chunk
from app.pipeline.policies.whole import from_chunks
from app.settings import Deployment
from tests.lab.bodies import ANSWERS, REQUESTS
from tests.lab.provider import PlannedAnswer, events_of, whole_of
from tests.streams import index
from tests.unit.dialects.decoding import DECODERS
from tests.unit.dialects.samples import request

Target = Callable[[bytes], None]
_STREAMING = streaming_dialects()
_DEPLOYMENT = Deployment("id", "m", "openai/m", "openai", params={"api_base": "http://127.0.0.1:1/v1"})
_LIMIT = 1 << 16
_SHORT = 1500
"""Bytes of a body that is worth reading one by one."""
_UNKNOWN_FORM = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What the backends take for an answer of a form that they do not know."""


def reading(data: bytes) -> None:
    """Check that the events are the same however the bytes are split, and that all bytes are in them, up to a limit."""
    whole, reader = _read([data])
    if reader.too_large:
        return
    assert b"".join(raw for raw, _, _ in whole) == data[: sum(len(raw) for raw, _, _ in whole)]
    for size in (1, 2, 7) if len(data) < _SHORT else (97,):
        pieces = [data[start : start + size] for start in range(0, len(data), size)]
        assert _read(pieces)[0] == whole, f"otherwise in pieces of {size}"


def streams(dialect: Dialect) -> Target:
    def stream(data: bytes) -> None:
        """A provider's body, for clients of every dialect, untouched and edited."""
        chunks = _chunks(dialect, data)
        for client in _STREAMING.values():
            for edited in (False, True):
                _format(client, (Received(one.chunk) for one in chunks) if edited else chunks)

    return stream


def answers(dialect: Dialect) -> Target:
    def answer(data: bytes) -> None:
        """A provider's whole body, for clients of every dialect, untouched and edited."""
        try:
            body = parse_answer(data, str)
            response = checked(_decode_response(dialect)(body))
        except (BackendError, ProviderFailed, *_UNKNOWN_FORM):
            return
        for client in _STREAMING.values():
            asked = request(client.name, stream=False)
            for one in (response, from_chunks([as_chunk(response)], response)):
                _is_json(client.encode_response(one, asked))

    return answer


def embeddings(data: bytes) -> None:
    """A provider's answer, which is handed on as it is."""
    codec = EmbeddingsCodec(_DEPLOYMENT)
    try:
        checked(codec.decode_response(codec.parse(data, str)))
    except (BackendError, *_UNKNOWN_FORM):
        return


def requests(dialect: Dialect) -> Target:
    def ask(data: bytes) -> None:
        """A client's body, for providers of every dialect, untouched and edited."""
        try:
            asked = DIALECTS[dialect].decode_request(parse_body(data, 100, 1_000_000), {})
        except ClientError as error:
            _is_json(DIALECTS[dialect].render_error(error, "txn").body)
            return
        estimate_input_tokens(asked)
        for one in (asked, asked.map_text(str.upper)):
            _encode(one)

    return ask


def _encode(asked: Request) -> None:
    encoders: Iterable[Callable[[Request], dict[str, Any]]] = [one.encode_request for one in client_dialects().values()]
    if asked.dialect == "openai_embeddings":
        encoders = [openai_embeddings.encode_request]
    for encode in encoders:
        try:
            body = encode(asked)
        except GatewayError:
            continue
        _is_json(body)


def _read(pieces: Iterable[bytes]) -> tuple[list[Item], EventReader]:
    reader = EventReader(_LIMIT)
    rows = [row for piece in pieces for row in reader.feed(piece)]
    return items_of([*rows, *reader.finish()]), reader


def _chunks(dialect: Dialect, data: bytes) -> list[Received]:
    """The chunks before the first fault, as a backend hands them on."""
    events = Events(DECODERS[dialect](), scrub=str, event_limit=_LIMIT)
    half = len(data) // 2
    chunks: list[Received] = []
    try:
        for piece in (data[:half], data[half:]):
            chunks += events.feed(piece)
            events.check()
        chunks += events.finish()
        events.check()
        events.check_end()
    except BackendError as error:
        str(error)
    return chunks


def _format(client: StreamingDialect, chunks: Iterable[Received]) -> None:
    formatter = client.formatter(request(client.name, include_usage=True), "txn", 1_700_000_000)
    for chunk in chunks:
        formatter.format(chunk)
    formatter.finish()


def _decode_response(dialect: Dialect) -> Callable[[dict[str, Any]], ModelResponse]:
    found: Mapping[Dialect, Callable[[dict[str, Any]], ModelResponse]] = {
        "anthropic_messages": anthropic_response.decode_response,
        "openai_chat": chat_response.decode_response,
        "openai_completions": completions_response.decode_response,
        "openai_responses": responses_response.decode_response,
    }
    return found[dialect]


def _is_json(body: object) -> None:
    json.loads(msgspec.json.encode(body))


_PATHS: dict[Dialect, str] = {
    "openai_chat": "/v1/chat/completions",
    "anthropic_messages": "/v1/messages",
    "openai_responses": "/v1/responses",
    "openai_completions": "/v1/completions",
    "openai_embeddings": "/v1/embeddings",
}
_APIS: dict[Dialect, str] = {
    "openai_chat": "chat",
    "anthropic_messages": "messages",
    "openai_responses": "responses",
    "openai_completions": "completions",
}
_RECORDED = 12_000
"""Bytes of a recording that is worth changing: in a longer one most changes hit what repeats."""


def _stream_seeds(dialect: Dialect) -> list[bytes]:
    recorded = [one.body for one in index.of(_APIS[dialect])]
    return [
        b"".join(events_of(PlannedAnswer(), 1, _PATHS[dialect])),
        *(body for body in recorded if len(body) < _RECORDED),
    ]


def _answer_seeds(dialect: Dialect) -> list[bytes]:
    """Recorded streams of the Responses API end with a whole one."""
    seeds = [*ANSWERS[dialect], whole_of(PlannedAnswer(), 1, _PATHS[dialect])]
    if dialect == "openai_responses":
        recorded = [one.events[-1] for one in index.of("responses") if len(one.body) < 4 * _RECORDED and one.events]
        seeds += [event["response"] for event in recorded if isinstance(event.get("response"), dict)]
    return [json.dumps(seed).encode() for seed in seeds]


def _request_seeds(dialect: Dialect) -> list[bytes]:
    return [json.dumps(seed).encode() for seed in REQUESTS[dialect]]


_ODD_STREAM = b"\xef\xbb\xbf: hi\r\n\r\nevent: a\r\ndata: 1\rdata:2\n\nretry: 5\nid\ndata\n\ndata: x\n\n:\n\ndata: last"
TARGETS: dict[str, tuple[Target, Callable[[], list[bytes]]]] = {
    "reading": (reading, lambda: [_ODD_STREAM, *(seed for dialect in _APIS for seed in _stream_seeds(dialect)[:20])]),
    **{f"stream-{dialect}": (streams(dialect), partial(_stream_seeds, dialect)) for dialect in _STREAMING},
    **{f"answer-{dialect}": (answers(dialect), partial(_answer_seeds, dialect)) for dialect in _STREAMING},
    "answer-openai_embeddings": (embeddings, partial(_answer_seeds, "openai_embeddings")),
    **{f"request-{dialect}": (requests(dialect), partial(_request_seeds, dialect)) for dialect in DIALECTS},
}
"""By name, with inputs that go through."""
