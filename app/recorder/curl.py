"""The requests of a recording as cURL commands for a POSIX shell. No key is in them: variables stand for keys.

What a client or a provider sent is quoted as a whole, so a shell and cURL take it for data, whatever it holds, and no
terminal is moved by it. A recording may come from a stranger's bundle, so a key goes over HTTP alone, and the
gateway's to the gateway.
"""

import base64
import re
from collections.abc import Sequence
from shlex import quote

from app.providers import PROVIDERS
from app.recorder.recording import Body, RecordedAttempt, Recording

_GATEWAY = "${FLOWSPAN_URL:-http://127.0.0.1:8080}"
_GATEWAY_KEY = "FLOWSPAN_KEY"
_PROVIDER_KEYS = {row.name: row.key_variable for row in PROVIDERS.values() if row.key_variable is not None}
_PROVIDER_KEY = "PROVIDER_KEY"
"""For a provider whose key has no usual variable."""
_OF_THE_CONNECTION = frozenset(
    {
        *("host", "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect"),
        *("content-length", "content-encoding", "accept-encoding", "traceparent", "tracestate"),
    }
)
"""Headers that belong to the one request that was recorded, or that cURL makes itself."""
_TOKEN = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_LAID_OUT = frozenset("\t\n")
"""Control characters of a text that a terminal may show."""
_ARGUMENT_LIMIT = 64 * 1024
"""Bytes of a body that is an argument of the command; Linux takes arguments of 128 KiB at most."""
_BASE64_WIDTH = 76


def commands(recording: Recording) -> list[tuple[str, str]]:
    """What each command is, and the command: the client's request, and the gateway's of each attempt."""
    found = [("The client's request to the gateway", client_request(recording))]
    for number, attempt in enumerate(recording.attempts, 1):
        if (command := provider_request(attempt)) is not None:
            found.append((f"Attempt {number}: the gateway's request to {attempt.provider}", command))
    return found


def client_request(recording: Recording) -> str:
    """The client's request to the gateway, as it was recorded. `FLOWSPAN_URL` may say where another gateway is."""
    entry = recording.entry
    # Without the slash, what follows the port would be the name of another host.
    path = entry.path if entry.path.startswith("/") else f"/{entry.path}"
    header = None
    if entry.key is not None:
        header = _key_header("x-api-key" if entry.api == "anthropic_messages" else "authorization", _GATEWAY_KEY)
    return _command(entry.method, f'"{_GATEWAY}"{_quoted(path)}', recording.request, header)


def provider_request(attempt: RecordedAttempt) -> str | None:
    """The gateway's request to a provider; None where it was not an HTTP request of its own."""
    # Anything else is a file to cURL, or an option.
    if not attempt.url.startswith(("http://", "https://")):
        return None
    name = "authorization"
    if attempt.provider.startswith("azure"):
        name = "api-key"
    elif attempt.url.partition("?")[0].endswith("/messages"):
        name = "x-api-key"
    header = _key_header(name, _PROVIDER_KEYS.get(attempt.provider, _PROVIDER_KEY))
    return _command(attempt.method, _quoted(attempt.url), attempt.request, header)


def _key_header(name: str, variable: str) -> str:
    scheme = "Bearer " if name == "authorization" else ""
    return f'"{name}: {scheme}${variable}"'


def _command(method: str, url: str, body: Body, key_header: str | None) -> str:
    options = [f"curl --no-buffer --globoff --request {_quoted(method)} {url}"]
    if key_header is not None:
        options.append(f"--header {key_header}")
    options += [f"--header {quote(line)}" for line in _header_lines(body.headers)]
    data, before = _body(body.data)
    return before + " \\\n  ".join([*options, *data]) + "\n"


def _header_lines(headers: Sequence[tuple[str, str]]) -> list[str]:
    # cURL leaves out a header without a value, unless it ends in a semicolon.
    return [
        f"{name}: {value}" if value else f"{name};"
        for name, value in headers
        if name not in _OF_THE_CONNECTION and _TOKEN.fullmatch(name) and not _CONTROL.search(value)
    ]


def _quoted(text: str) -> str:
    """One word of the command, without control characters."""
    return quote(_CONTROL.sub("", text))


def _body(data: bytes) -> tuple[list[str], str]:
    """The options for a body, and what stands before the command. A body that is no argument comes by a pipe."""
    if not data:
        return [], ""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = None
    if text is not None and len(data) <= _ARGUMENT_LIMIT and _LAID_OUT.issuperset(_CONTROL.findall(text)):
        # `--data-raw`, because `--data` takes a leading @ for the name of a file.
        return [f"--data-raw {quote(text)}"], ""
    encoded = base64.b64encode(data).decode()
    lines = "\n".join(encoded[at : at + _BASE64_WIDTH] for at in range(0, len(encoded), _BASE64_WIDTH))
    return ["--data-binary @-"], f"base64 -d <<'BODY' |\n{lines}\nBODY\n"
