"""The cURL commands of a recording, run by a shell in which `curl` prints what it was given."""

import subprocess

import pytest
from msgspec.structs import replace

from app.recorder.curl import client_request, provider_request
from app.recorder.recording import Body
from tests.unit.recorder.built import attempt, recording

_CURL = 'curl() { for one in "$@"; do printf "%s\\0" "$one"; done; cat; }\n'


def _run(command: str) -> tuple[list[str], bytes]:
    """The arguments of the command, and what it was given by a pipe."""
    ran = subprocess.run(
        ["/bin/sh", "-c", _CURL + command],
        input=b"",
        capture_output=True,
        check=True,
        timeout=10,
        env={"PATH": "/usr/bin:/bin", "FLOWSPAN_KEY": "fk", "OPENAI_API_KEY": "ok", "ANTHROPIC_API_KEY": "ak"},
    )
    assert ran.stderr == b""
    *arguments, piped = ran.stdout.split(b"\0")
    return [one.decode() for one in arguments], piped


@pytest.mark.parametrize(
    "body",
    ['{"a": "it\'s"}', "'; touch pwned; '", "$(touch pwned) `id` \\", "@/etc/passwd", "\u202eeman\n\n", "-v --next"],
)
def test_a_body_is_data_whatever_it_holds(body: str) -> None:
    headers = (("content-type", "application/json"), ("x-odd", ""), ("host", "else.where"), ("x y", "1"))
    made = replace(recording(path="/v1/chat/completions"), request=Body(headers, body.encode(), len(body)))

    arguments, piped = _run(client_request(made))

    assert arguments == [
        *("--no-buffer", "--globoff", "--request", "POST", "http://127.0.0.1:8080/v1/chat/completions"),
        *("--header", "authorization: Bearer fk", "--header", "content-type: application/json", "--header", "x-odd;"),
        *("--data-raw", body),
    ]
    assert piped == b""


@pytest.mark.parametrize("body", [b"\0\xff\xfe", b"a\r\n", b"BODY\n" * 20_000])
def test_a_body_that_is_no_argument_comes_by_a_pipe(body: bytes) -> None:
    made = replace(recording(path="/v1/messages", api="anthropic_messages"), request=Body((), body, len(body)))

    ran = subprocess.run(
        ["/bin/sh"],
        input=b"curl() { cat; }\n" + client_request(made).encode(),
        capture_output=True,
        check=True,
        timeout=10,
    )

    assert ran.stdout == body


def test_a_provider_is_asked_with_its_variable() -> None:
    chat, messages = attempt(), attempt(provider="anthropic", url="https://api.anthropic.com/v1/messages")

    assert "authorization: Bearer ok" in _run(provider_request(chat) or "")[0]
    assert "x-api-key: ak" in _run(provider_request(messages) or "")[0]
    assert provider_request(attempt(url="")) is None


def test_a_caller_without_a_key_gets_none() -> None:
    assert "FLOWSPAN_KEY" not in client_request(recording(key=None))


def test_a_strangers_bundle_leads_no_key_elsewhere_and_is_no_option() -> None:
    """What stands before a path without a slash would be a user and a password, and the path a host."""
    to_gateway, _ = _run(client_request(recording(path="@evil.example/v1")))

    assert to_gateway[4] == "http://127.0.0.1:8080/@evil.example/v1"
    for url in ("-o/tmp/x", "file:///etc/passwd", "--config=/tmp/x"):
        assert provider_request(attempt(url=url)) is None


def test_no_command_moves_a_terminal() -> None:
    body = b"\x1b]0;title\x07"
    headers = (("x-odd", "a\x1b[2J"), ("x-split", "a\r\nx-more: b"))
    made = replace(recording(path="/v1\x1b[2J\nrm -r x", method="PO\x1bST"), request=Body(headers, body, len(body)))

    command = client_request(made)

    assert not set(map(chr, (*range(9), *range(11, 32), *range(127, 160)))) & set(command)
    assert "x-split" not in command
    assert _run(command)[0][3:5] == ["POST", "http://127.0.0.1:8080/v1[2Jrm -r x"]
