"""A mock provider that is never the limit: asyncio protocols and prebuilt bytes. It also swallows OTLP.

`POST /v1/chat/completions` answers one small JSON, or as many SSE chunks as the model's name ends in (`mock-200`),
all in one write. Everything else gets an empty 200.
"""

import asyncio
import re
import sys

JSON_BODY = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"mock","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"Hello there, how can I help?"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":9,"completion_tokens":8,"total_tokens":17}}'
)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n"
_CHUNK = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"mock","choices":[{"index":0,'
    b'"delta":{"content":"token %d "},"finish_reason":null}]}\n\n'
)
_END = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"mock","choices":[{"index":0,'
    b'"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)


def stream_body(chunks: int) -> bytes:
    return b"".join(_CHUNK % number for number in range(chunks)) + _END


class Upstream(asyncio.Protocol):
    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._bodies: dict[int, bytes] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            length = re.search(rb"content-length: (\d+)", head)
            total = end + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < total:
                return
            body, self._buffer = self._buffer[end + 4 : total], self._buffer[total:]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        assert self._transport is not None
        if b"/chat/completions" not in head.split(b"\r\n", 1)[0]:
            self._transport.write(HEAD % (b"application/x-protobuf", 0))
            return
        if re.search(rb'"stream": ?true', body):
            asked = re.search(rb"mock-(\d+)", body)
            chunks = int(asked[1]) if asked else 20
            reply = self._bodies.setdefault(chunks, stream_body(chunks))
            self._transport.write(HEAD % (b"text/event-stream", len(reply)) + reply)
        else:
            self._transport.write(HEAD % (b"application/json", len(JSON_BODY)) + JSON_BODY)


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
