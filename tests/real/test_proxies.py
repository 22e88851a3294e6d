"""Attackers and victims behind the same real proxy, which keeps and shares its connections to the gateway: each victim
gets its own answer and no other, whatever the attackers send."""

import json
import random
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.behaviour.clients import CHAT, ask
from tests.behaviour.gateway import RunningGateway, configuration, simulated
from tests.real.proxies import PROXIES, proxy

VICTIM, ATTACKER = "sk-victim-0123456789abcdef", "sk-attacker-0123456789abcdef"
VICTIMS = 500
ATTACKS = 500
SMUGGLED = "smuggled"
"""What an answer says that no victim asked for."""


@pytest.fixture(scope="module")
def gateway() -> Iterator[RunningGateway]:
    limits = f"  keys: [{VICTIM}, {ATTACKER}]\n  server: {{body_limit: 2MiB}}"
    with RunningGateway(configuration(simulated("echo"), limits)) as running:
        yield running


def request(body: bytes, *fields: bytes, key: str = "none", path: str = CHAT, method: str = "POST") -> bytes:
    start = b"%b %b HTTP/1.1" % (method.encode(), path.encode())
    length = (
        () if any(field.startswith(b"transfer-encoding") for field in fields) else (b"content-length: %d" % len(body),)
    )
    lines = [start, b"host: gateway", b"x-api-key: " + key.encode(), *fields, *length]
    return b"\r\n".join([*lines, b"", b""]) + body


def chat(text: str, stream: bool = False) -> bytes:
    return json.dumps(ask("echo", text=text, stream=stream)).encode()


INNER = request(chat(SMUGGLED), key=ATTACKER)
H2C = (b"connection: Upgrade, HTTP2-Settings", b"upgrade: h2c", b"http2-settings: AAMAAABk")
LOUD = (b"connection: Upgrade", b"UPGRADE: h2c")


def hidden(size: int) -> bytes:
    """A body with what looks like a header line to whoever does not know where heads end."""
    return b"\r\nUpgrade: " + b"x" * size + b"\r\n\r\n"


def chunked(body: bytes, trailers: bytes = b"") -> bytes:
    return b"%x;a=b\r\n%b\r\n0\r\n%b\r\n" % (len(body), body, trailers)


Pieces = list[bytes]
"""Sent one by one."""
ATTACK_KINDS: dict[str, Callable[[random.Random], Pieces]] = {
    "early answer, a header in the body": lambda rng: _head_first(hidden(rng.randrange(40, 400))),
    "early answer, a header in a large body": lambda rng: _head_first(b"y" * 300_000 + hidden(rng.randrange(40, 400))),
    "early answer, a header in the body, all at once": lambda rng: [
        request(b"y" * rng.randrange(200_000, 900_000) + hidden(rng.randrange(40, 400)))
    ],
    "early answer, a request in the body": lambda rng: _head_first(INNER),
    "no route": lambda rng: _head_first(INNER, path="/v1/nothing"),
    "wrong method": lambda rng: _head_first(INNER, path="/livez"),
    "compressed": lambda rng: _head_first(INNER, b"content-encoding: gzip", key=ATTACKER),
    "too large": lambda rng: _head_first(b"y" * 3_000_000 + INNER, key=ATTACKER),
    "upgrade": lambda rng: [request(INNER, *rng.choice((H2C, LOUD)), path="/livez")],
    "upgrade with a key": lambda rng: [request(chat("mine"), *rng.choice((H2C, LOUD)), key=ATTACKER)],
    "upgrade cut in the word": lambda rng: _cut(request(INNER, *LOUD, path="/livez"), b"UPGR"),
    "websocket": lambda rng: [request(b"", b"connection: upgrade", b"upgrade: websocket", method="GET") + INNER],
    "chunked early answer": lambda rng: _head_first(chunked(hidden(100) + INNER), b"transfer-encoding: chunked"),
    "trailers": lambda rng: [
        request(chunked(chat("mine"), b"x-api-key: %b\r\n" % VICTIM.encode()), b"transfer-encoding: chunked")
    ],
    "a body that is left": lambda rng: [request(INNER + b"x" * 1000, key=rng.choice((ATTACKER, "none")))[:-1000]],
    "a stream that is left": lambda rng: [request(chat("mine", stream=True), key=ATTACKER)],
}


def _head_first(body: bytes, *fields: bytes, key: str = "none", path: str = CHAT) -> Pieces:
    head = request(body, *fields, key=key, path=path).removesuffix(body)
    return [head, body]


def _cut(data: bytes, word: bytes) -> Pieces:
    at = data.index(word) + len(word)
    return [data[:at], data[at:]]


def attack(port: int, rng: random.Random) -> None:
    """Sends, waits a moment for an answer, and leaves, or asks once more on the same connection."""
    pieces = ATTACK_KINDS[rng.choice(sorted(ATTACK_KINDS))](rng)
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.settimeout(rng.choice((0.02, 0.1)))
        for piece in pieces:
            try:
                client.sendall(piece)
                client.recv(1 << 16)
            except OSError:
                continue


def ask_as_victim(port: int, number: int) -> str:
    """Empty where the answer is this victim's, else what came instead."""
    marker, stream = f"victim-{number}-{random.Random(number).getrandbits(64)}", number % 2 == 0
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(request(chat(marker, stream), b"connection: close", key=VICTIM))
        whole = _read_all(client)
    is_expected = whole.startswith(b"HTTP/1.1 200") and whole.count(b"HTTP/1.1") == 1 and _text(whole, stream) == marker
    return "" if is_expected and SMUGGLED.encode() not in whole else f"{marker}: {whole[:300]!r}"


def _read_all(client: socket.socket) -> bytes:
    """What came until the connection ended, or nothing more did."""
    answer = bytearray()
    try:
        while piece := client.recv(1 << 16):
            answer += piece
    except OSError as error:
        answer += repr(error).encode()
    return bytes(answer)


def _text(answer: bytes, stream: bool) -> str:
    """What the model said; the framing of HTTP's chunks stands between events, or around the whole."""
    if not stream:
        body = answer[answer.index(b"{") : answer.rindex(b"}") + 1]
        return str(json.loads(body)["choices"][0]["message"]["content"])
    events = [json.loads(line[6:]) for line in answer.splitlines() if line.startswith(b"data: {")]
    return "".join(event["choices"][0]["delta"].get("content") or "" for event in events if event["choices"])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", PROXIES)
def test_no_victim_gets_anything_but_its_own_answer(gateway: RunningGateway, tmp_path: Path, name: str) -> None:
    with proxy(name, tmp_path, gateway.port) as port, ThreadPoolExecutor(8) as pool:
        attacks = [pool.submit(attack, port, random.Random(seed)) for seed in range(ATTACKS)]
        victims = ThreadPoolExecutor(4)
        wrong = [answer for answer in victims.map(lambda number: ask_as_victim(port, number), range(VICTIMS)) if answer]
        for attempt in attacks:
            attempt.result()
        victims.shutdown()
    assert wrong == [], f"{len(wrong)} of {VICTIMS} got something else"
