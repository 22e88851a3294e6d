"""A mock provider that is never the limit: asyncio protocols and prebuilt bytes. It also takes OTLP, and forgets it.

    python -m bench.upstream PORT TLS_PORT CERTIFICATE

The file has a certificate and its key, which it shows at the second port.

`POST .../chat/completions`, `.../messages` and `.../responses` answer in their dialect, as the model's name says:

    bench-20        one JSON, or a stream of 20 chunks all in one write
    bench-50-20     50 chunks, 20 ms apart; each says when it was sent (`t~`, and the nanoseconds of the monotonic clock
                    with letters for digits: a word of prose to policies that look for numbers)
    bench-hold      two chunks, and then nothing until the client goes

Everything else gets an empty 200.
"""

import asyncio
import re
import ssl
import sys
from time import monotonic_ns
from typing import cast

import uvloop

_MODEL = re.compile(rb'"bench-(hold|\d+)(?:-(\d+))?"')
_LENGTH = re.compile(rb"content-length: (\d+)")
_STREAMED = re.compile(rb'"stream": ?true')
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n"
_LETTERS = bytes.maketrans(b"0123456789", b"abcdefghij")
_CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"

OPENAI_JSON = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"bench","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"Hello there, how can I help?"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":9,"completion_tokens":8,"total_tokens":17}}'
)
ANTHROPIC_JSON = (
    b'{"id":"msg_1","type":"message","role":"assistant","model":"bench","content":[{"type":"text","text":'
    b'"Hello there, how can I help?"}],"stop_reason":"end_turn","stop_sequence":null,'
    b'"usage":{"input_tokens":9,"output_tokens":8}}'
)
_OPENAI_CHUNK = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"bench","choices":[{"index":0,'
    b'"delta":{"content":" t~%b"},"finish_reason":null}]}\n\n'
)
_OPENAI_END = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"bench","choices":[{"index":0,'
    b'"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)
_ANTHROPIC_START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant",'
    b'"model":"bench","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,'
    b'"output_tokens":1}}}\n\nevent: content_block_start\ndata: {"type":"content_block_start","index":0,'
    b'"content_block":{"type":"text","text":""}}\n\n'
)
_ANTHROPIC_CHUNK = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta",'
    b'"text":" t~%b"}}\n\n'
)
_ANTHROPIC_END = (
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\nevent: message_delta\ndata: '
    b'{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":8}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)
RESPONSES_JSON = (
    b'{"id":"resp_1","object":"response","created_at":1,"status":"completed","model":"bench","output":[{"id":"msg_1",'
    b'"type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":'
    b'"Hello there, how can I help?","annotations":[]}]}],"usage":{"input_tokens":9,"output_tokens":8,'
    b'"total_tokens":17}}'
)
_RESPONSES_START = (
    b'event: response.created\ndata: {"type":"response.created","sequence_number":0,"response":{"id":"resp_1",'
    b'"object":"response","created_at":1,"status":"in_progress","model":"bench","output":[]}}\n\n'
    b'event: response.output_item.added\ndata: {"type":"response.output_item.added","sequence_number":1,'
    b'"output_index":0,"item":{"id":"msg_1","type":"message","status":"in_progress","role":"assistant","content":[]}}'
    b'\n\nevent: response.content_part.added\ndata: {"type":"response.content_part.added","sequence_number":2,'
    b'"item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}}'
    b"\n\n"
)
_RESPONSES_CHUNK = (
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":3,'
    b'"item_id":"msg_1","output_index":0,"content_index":0,"delta":" t~%b"}\n\n'
)
_RESPONSES_END = (
    b'event: response.output_item.done\ndata: {"type":"response.output_item.done","sequence_number":4,'
    b'"output_index":0,"item":{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":['
    b'{"type":"output_text","text":"words","annotations":[]}]}}\n\n'
    b'event: response.completed\ndata: {"type":"response.completed","sequence_number":5,"response":{"id":"resp_1",'
    b'"object":"response","created_at":1,"status":"completed","model":"bench","output":[{"id":"msg_1","type":'
    b'"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"words",'
    b'"annotations":[]}]}],"usage":{"input_tokens":9,"output_tokens":8,"total_tokens":17}}}\n\n'
)


class Dialect:
    def __init__(self, whole: bytes, start: bytes, chunk: bytes, end: bytes) -> None:
        self.json = _HEAD % (b"application/json", len(whole)) + whole
        self.start = start
        self.chunk = chunk
        self.end = end
        self._bursts: dict[int, bytes] = {}

    def burst(self, chunks: int) -> bytes:
        """A stream that is sent all at once."""
        if chunks not in self._bursts:
            body = self.start + b"".join(self.chunk % in_letters(number) for number in range(chunks)) + self.end
            self._bursts[chunks] = _HEAD % (b"text/event-stream", len(body)) + body
        return self._bursts[chunks]


def in_letters(number: int) -> bytes:
    return (b"%d" % number).translate(_LETTERS)


_OPENAI = Dialect(OPENAI_JSON, b"", _OPENAI_CHUNK, _OPENAI_END)
_ANTHROPIC = Dialect(ANTHROPIC_JSON, _ANTHROPIC_START, _ANTHROPIC_CHUNK, _ANTHROPIC_END)
_RESPONSES = Dialect(RESPONSES_JSON, _RESPONSES_START, _RESPONSES_CHUNK, _RESPONSES_END)
_BY_PATH = {b"/chat/completions": _OPENAI, b"/messages": _ANTHROPIC, b"/responses": _RESPONSES}


class Upstream(asyncio.Protocol):
    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            length = _LENGTH.search(head)
            total = end + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < total:
                return
            body, self._buffer = self._buffer[end + 4 : total], self._buffer[total:]
            self._answer(head.split(b"\r\n", 1)[0], body)

    def _answer(self, request_line: bytes, body: bytes) -> None:
        assert self._transport is not None
        dialect = next((each for path, each in _BY_PATH.items() if path in request_line), None)
        if dialect is None:
            self._transport.write(_HEAD % (b"application/x-protobuf", 0))
        elif _STREAMED.search(body):
            self._stream(dialect, body)
        else:
            self._transport.write(dialect.json)

    def _stream(self, dialect: Dialect, body: bytes) -> None:
        assert self._transport is not None
        asked = _MODEL.search(body)
        chunks, pause = (asked[1], asked[2]) if asked else (b"20", None)
        if chunks == b"hold":
            chunk = dialect.chunk % in_letters(monotonic_ns())
            self._transport.write(_CHUNKED + _framed(dialect.start + chunk + chunk))
        elif pause is None:
            self._transport.write(dialect.burst(int(chunks)))
        else:
            self._transport.write(_CHUNKED + (_framed(dialect.start) if dialect.start else b""))
            self._pace(dialect, int(chunks), int(pause) / 1000, self._loop.time())

    def _pace(self, dialect: Dialect, left: int, pause: float, due: float) -> None:
        """Send each chunk at its own time, however late the one before was."""
        if self._transport is None:
            return
        if left:
            self._transport.write(_framed(dialect.chunk % in_letters(monotonic_ns())))
            self._loop.call_at(due + pause, self._pace, dialect, left - 1, pause, due + pause)
        else:
            self._transport.write(_framed(dialect.end) + b"0\r\n\r\n")


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def main(port: int, tls_port: int, certificate: str) -> None:
    loop = asyncio.get_running_loop()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    encrypted = await loop.create_server(Upstream, "127.0.0.1", tls_port, backlog=2048, ssl=context)
    server = await loop.create_server(Upstream, "127.0.0.1", port, backlog=2048)
    async with encrypted, server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
