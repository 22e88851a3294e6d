"""Real servers for the gateway's HTTP client to ask: an ASGI application behind uvicorn with both of its parsers and
behind each real proxy, and nginx by itself, plain and with TLS.
"""

import asyncio
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.certificates import Authority
from tests.real.nginx import nginx_command
from tests.real.programs import ROOT, Process, free_port
from tests.real.proxies import proxy

SERVERS = ("uvicorn with httptools", "uvicorn with h11", "nginx", "haproxy", "envoy")
_NGINX = """
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{tls} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_client_certificate {authority};
        ssl_verify_client optional;
        keepalive_requests 50;
        keepalive_timeout {keepalive};
        client_max_body_size 1m;
        root {folder}/files;
        default_type application/json;
        error_page 405 =200 $uri;
        location /zipped/ {{ alias {folder}/files/; gzip on; gzip_types *; gzip_min_length 1; }}
        location /gone {{ return 444; }}
        location /certain {{
            if ($ssl_client_verify != SUCCESS) {{ return 403; }}
            return 200 "$ssl_client_s_dn";
        }}
    }}
"""


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """`/echo` sends the request's body back; `/stream` does in pieces of 1,000 bytes, `/zipped` in flushed pieces of
    gzip, `/untold` until it closes the connection; `/early` refuses before it reads."""
    if scope["type"] != "http":
        return
    path = scope["path"]
    if path == "/early":
        await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"9")]})
        await send({"type": "http.response.body", "body": b"too large"})
    elif (body := await _received(receive)) is not None:
        length = (b"content-length", b"%d" % len(body))
        fields = {"/echo": length, "/untold": (b"connection", b"close"), "/zipped": (b"content-encoding", b"gzip")}
        headers = [(b"x-size", length[1]), *([fields[path]] if path in fields else [])]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for number, piece in enumerate(_pieces(body, path)):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            if number % 10 == 0:
                await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})


async def _received(receive: Any) -> bytes | None:
    """The body of a request; None where its client left before its end."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


def _pieces(body: bytes, path: str) -> Iterator[bytes]:
    size = len(body) if path == "/echo" else 1000
    compression = zlib.compressobj(wbits=31)
    for at in range(0, len(body), size or 1):
        piece = body[at : at + size]
        yield compression.compress(piece) + compression.flush(zlib.Z_SYNC_FLUSH) if path == "/zipped" else piece
    if path == "/zipped":
        yield compression.flush()


@contextmanager
def origin(name: str, folder: Path) -> Iterator[str]:
    """The URL of `application` behind the server of this name."""
    with ExitStack() as stack:
        parser = "h11" if name.endswith("h11") else "httptools"
        port = stack.enter_context(_uvicorn(folder, parser))
        if not name.startswith("uvicorn"):
            port = stack.enter_context(proxy(name, folder, port))
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _uvicorn(folder: Path, parser: str) -> Iterator[int]:
    port = free_port()
    command = [str(ROOT / ".venv/bin/uvicorn"), "tests.real.origins:application", "--port", str(port), "--http", parser]
    log = folder / "uvicorn.log"
    with Process([*command, "--no-access-log", "--timeout-keep-alive", "1"], log) as process:
        process.until(lambda: "running on" in log.read_text(), "it listens")
        yield port


@contextmanager
def nginx(folder: Path, authority: Authority, keepalive: str = "30s") -> Iterator[tuple[int, int]]:
    """Its ports, plain and with TLS. Files are in `folder/files`."""
    plain, tls = free_port(), free_port()
    (folder / "files").mkdir(exist_ok=True)
    issued = authority.issue("origin")
    names = {
        "certificate": issued.certificate,
        "key": issued.key,
        "authority": authority.certificate,
        "keepalive": keepalive,
    }
    command = nginx_command(folder, _NGINX.format(folder=folder, plain=plain, tls=tls, **names))
    with Process(command, folder / "nginx.log") as process:
        process.until((folder / "nginx.pid").exists, "it listens")
        yield plain, tls
