"""Connections of hostile and of clumsy clients: what follows an early answer, pipelines, trailers, who never leaves.

Nothing in a body is ever served, no answer is lost to a reset, and no connection stays for ever.
"""

import json
import os
import re
import resource
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.behaviour.clients import CHAT, MESSAGES, RawClient, ask, dechunked, request
from tests.behaviour.gateway import RunningGateway, configuration, simulated, until

KEY = "sk-edge-0123456789abcdef"
LIVE = b"GET /livez HTTP/1.1\r\nhost: gateway\r\n\r\n"
MODELS = b"GET /v1/models HTTP/1.1\r\nhost: gateway\r\nx-api-key: %b\r\n\r\n" % KEY.encode()
"""Seen in an answer, it was served."""


@pytest.fixture(scope="module")
def gateway() -> Iterator[RunningGateway]:
    limits = (
        f"  keys: [{KEY}]\n  server: {{header_timeout: 1s, body_timeout: 1s, linger_timeout: 1s, header_limit: 16KiB}}"
    )
    with RunningGateway(configuration(simulated("echo", "lorem-30+pace-100"), limits)) as running:
        yield running


@pytest.fixture(scope="module")
def patient() -> Iterator[RunningGateway]:
    """A gateway whose limits no test comes near."""
    limits = f"  keys: [{KEY}]\n  server: {{body_limit: 1MiB, linger_limit: 64MiB}}"
    with RunningGateway(configuration(simulated("echo"), limits)) as running:
        yield running


def chat(body: bytes, *fields: bytes, key: str = KEY, path: str = CHAT, method: str = "POST") -> bytes:
    lines = [b"%b %b HTTP/1.1" % (method.encode(), path.encode()), b"host: gateway", b"x-api-key: " + key.encode()]
    return b"\r\n".join([*lines, *fields, b"content-length: %d" % len(body), b"", b""]) + body


def hello(text: str = "hello") -> bytes:
    return json.dumps(ask("echo", text=text)).encode()


def send_all_it_takes(client: RawClient, piece: bytes, at_most: int) -> int:
    """How many bytes went before the client had to wait, or was cut."""
    sent = 0
    client.socket.settimeout(0.5)
    while sent < at_most:
        try:
            sent += client.socket.send(piece)
        except OSError:
            break
    client.socket.settimeout(15)
    return sent


def statuses(data: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", data)]


EARLY: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "no key": (401, lambda body: chat(body, key="sk-wrong-0123456789abc")),
    "no route": (404, lambda body: chat(body, path="/v1/nothing")),
    "wrong method": (405, lambda body: chat(body, method="PUT")),
    "wrong method of another's": (405, lambda body: chat(body, path="/livez")),
    "compressed": (415, lambda body: chat(body, b"content-encoding: br")),
    "no key, another's": (401, lambda body: chat(body, path="/v1/models", key="sk-wrong-0123456789abc")),
}


@pytest.mark.parametrize("case", EARLY)
@pytest.mark.parametrize(
    "body",
    [MODELS, b"\r\nUpgrade: " + b"x" * len(MODELS) + b"\r\n\r\n" + MODELS, b"y" * 600_000 + MODELS],
    ids=["request", "upgrade", "large"],
)
def test_nothing_behind_an_early_answer_is_served(gateway: RunningGateway, case: str, body: bytes) -> None:
    status, make = EARLY[case]
    whole = make(body)
    with RawClient(gateway) as client:
        client.send(whole[: -len(body)])
        answer = client.read_until(b"\r\n\r\n")
        assert b"connection: close\r\n" in answer
        client.send(body + MODELS)
        answer += client.read_all()
    assert statuses(answer) == [status]
    assert b'"object":"list"' not in answer


def test_a_small_request_that_came_whole_keeps_its_connection_whatever_the_answer(gateway: RunningGateway) -> None:
    with RawClient(gateway) as client:
        for status, make in EARLY.values():
            client.send(make(hello()))
            answer = client.read_until(b"\r\n\r\n")
            assert statuses(answer) == [status]
            assert b"connection: close" not in answer
            length = int(re.findall(rb"content-length: (\d+)", answer)[0])
            while len(answer.partition(b"\r\n\r\n")[2]) < length:
                answer += client.socket.recv(65536)


@pytest.mark.parametrize(("key", "status"), [(KEY, 413), ("sk-wrong-0123456789abc", 401)])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_client_that_sends_it_all_first_reads_its_answer(
    patient: RunningGateway, key: str, status: int, framing: str
) -> None:
    """As HTTP libraries do: a reset instead would have them try again."""
    body = b"x" * 40_000_000
    with RawClient(patient) as client:
        if framing == "length":
            client.send(chat(body, key=key))
        else:
            head = f"POST {CHAT} HTTP/1.1\r\nhost: gateway\r\nx-api-key: {key}\r\ntransfer-encoding: chunked\r\n\r\n"
            client.send(head.encode() + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        assert statuses(client.read_all()) == [status]


def test_what_is_thrown_away_is_bounded(patient: RunningGateway) -> None:
    with RawClient(patient) as client:
        client.head(CHAT, content_length=str(10**10))
        assert 64 * 1024**2 <= send_all_it_takes(client, b"x" * 1024**2, at_most=512 * 1024**2) < 128 * 1024**2


def test_no_100_before_key_and_size_are_checked(patient: RunningGateway) -> None:
    for key, length, status in (("sk-wrong-0123456789abc", 100, 401), (KEY, 2 * 1024**2, 413)):
        with RawClient(patient) as client:
            client.head(CHAT, x_api_key=key, content_length=str(length), expect="100-continue")
            assert statuses(client.read_all()) == [status]
    with RawClient(patient) as client:
        body = hello()
        client.head(CHAT, x_api_key=KEY, content_length=str(len(body)), expect="100-Continue", connection="close")
        assert client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(body)
        assert statuses(client.read_all()) == [200]


def test_heads_in_a_row_are_each_looked_at(gateway: RunningGateway) -> None:
    """Whether they came before, are all there at once, or differ in no more than their key."""
    wrong = "sk-wrong-0123456789abc"
    right, unknown, odd = (200, chat(hello())), (401, chat(hello(), key=wrong)), (405, chat(hello(), method="PUT"))
    sent = [right, right, right, unknown, unknown, right, odd, right, unknown]
    for at_once in (True, False):
        with RawClient(gateway) as client:
            answer = b""
            for number, (_, data) in enumerate(sent, 1):
                client.send(data)
                while not at_once and len(statuses(answer)) < number:
                    answer += client.socket.recv(65536)
            client.send(LIVE.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
            answer += client.read_all()
        assert statuses(answer) == [*(status for status, _ in sent), 200]


UPGRADES = [
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk",
    b"Connection: Upgrade\r\nUPGRADE: h2c",
    b"connection: UPGRADE\r\nuPgRaDe: websocket",
]


@pytest.mark.parametrize("wish", UPGRADES)
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_wish_for_another_protocol_costs_no_body(gateway: RunningGateway, wish: bytes, path: str) -> None:
    body = json.dumps(ask("echo", path, text="kept whole")).encode()
    whole = chat(body, wish, b"connection: close", path=path)
    for cut in (len(whole), len(whole) - len(body), whole.lower().index(b"upgrade: ") + 3, 10):
        with RawClient(gateway) as client:
            client.send(whole[:cut])
            client.send(whole[cut:])
            answer = client.read_all()
        assert statuses(answer) == [200]
        assert b"kept whole" in answer


def test_a_trailer_is_no_header(gateway: RunningGateway) -> None:
    framed = b"%x\r\n%b\r\n0\r\nx-api-key: %b\r\n\r\n" % (len(hello()), hello(), KEY.encode())
    with RawClient(gateway) as client:
        client.head(CHAT, transfer_encoding="chunked", connection="close")
        client.send(framed)
        assert statuses(client.read_all()) == [401]


@pytest.mark.parametrize("key", [KEY, "sk-wrong-0123456789abc"])
@pytest.mark.parametrize(
    ("begun", "repeated"),
    [
        (b"0\r\n", b"a: b\r\n" * 10_000),
        (b"0\r\na: ", b"a" * 60_000),
        (b"5;x=", b"a" * 60_000),
        (b"", b"1;x\r\na\r\n" * 10_000),
    ],
)
def test_what_is_no_body_takes_no_memory(gateway: RunningGateway, key: str, begun: bytes, repeated: bytes) -> None:
    with RawClient(gateway) as client:
        client.head(CHAT, x_api_key=key, transfer_encoding="chunked")
        client.send(begun)
        for _ in range(100):
            client.send(repeated)
        (status,) = statuses(client.read_all())
    assert status in ((431,) if key == KEY else (401, 431))


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_client_of_http_1_0_gets_a_stream_without_chunks_up_to_the_end_of_the_connection(
    gateway: RunningGateway, path: str
) -> None:
    body = json.dumps(ask("echo", path, stream=True, text="without chunks")).encode()
    streams = []
    for version in (b"HTTP/1.0", b"HTTP/1.1"):
        with RawClient(gateway) as client:
            client.send(chat(body, b"connection: close", path=path).replace(b"HTTP/1.1", version, 1))
            streams.append(client.read_all())
    head, _, stream = streams[0].partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert b"connection: close" in head.lower()
    assert without_ids(stream) == without_ids(dechunked(streams[1])[0])


def without_ids(stream: bytes) -> bytes:
    return re.sub(rb'"(id|created)": ?("[^"]*"|\d+)', b"", stream)


def test_a_target_in_absolute_form_is_served_as_its_own_host() -> None:
    """What stands there is what a page of another site would have asked for, whatever the Host header says."""
    with RunningGateway(configuration(simulated("echo"))) as gateway:
        for host, status in ((b"evil.example", 403), (b"127.0.0.1", 200)):
            with RawClient(gateway) as client:
                client.send(b"GET http://%b/v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n" % host)
                assert statuses(client.read_all()) == [status]


def test_pipelined_requests_are_answered_in_turn_and_hold_nothing(gateway: RunningGateway) -> None:
    """The system's buffers fill up, and the client has to wait; then each of them is answered, in its turn."""
    with RawClient(gateway) as client:
        client.send(chat(json.dumps(ask("lorem-30+pace-100", stream=True)).encode()))
        assert send_all_it_takes(client, LIVE * 1000, at_most=38 * 1024**2) < 16 * 1024**2
        answers = client.read_until(b"0\r\n\r\nHTTP/1.1 200 OK")
        assert b"[DONE]" in answers


def test_who_leaves_with_requests_waiting_is_noticed(gateway: RunningGateway) -> None:
    seen = gateway.wait_until_idle()
    with RawClient(gateway) as client:
        client.send(chat(json.dumps(ask("lorem-30+pace-100", stream=True)).encode()) + LIVE)
        client.read_until(b"data:")
    assert gateway.next_transaction(seen).outcome == "client_disconnect"


def test_a_broken_request_behind_another_is_refused_in_its_turn(gateway: RunningGateway) -> None:
    with RawClient(gateway) as client:
        client.send(chat(json.dumps(ask("lorem-30+pace-100", stream=True)).encode()) + b"NONSENSE\r\n\r\n")
        answer = client.read_all()
    assert statuses(answer) == [200, 400]
    assert dechunked(answer.partition(b"HTTP/1.1 400")[0])[1]


def test_a_body_that_breaks_off_its_framing_is_refused_and_told_as_the_clients_fault(gateway: RunningGateway) -> None:
    seen = gateway.wait_until_idle()
    with RawClient(gateway) as client:
        client.head(CHAT, x_api_key=KEY, transfer_encoding="chunked")
        client.send(b"5\r\nhello")
        client.send(b"no end of a chunk" + MODELS)
        assert statuses(client.read_all()) == [400]
    assert gateway.next_transaction(seen).outcome == "client_disconnect"


STRANGERS = {
    "nothing": [],
    "half a head": [b"GET /livez HTTP/1.1\r\n"],
    "an empty line after an answer": [LIVE, b"\r\n"],
    "half a head after an answer": [LIVE, b"GET /"],
    "half a head behind another request": [LIVE + b"GET /"],
    "no body": [chat(b"", key="wrong").replace(b"content-length: 0", b"content-length: 9")],
    "a byte of a body": [chat(b"", key="wrong").replace(b"content-length: 0", b"content-length: 9"), b"x"],
    "a byte of a body nobody wants": [LIVE.replace(b"\r\n\r\n", b"\r\ncontent-length: 9\r\n\r\n"), b"x"],
    "half a chunk": [LIVE.replace(b"\r\n\r\n", b"\r\ntransfer-encoding: chunked\r\n\r\n"), b"5\r\nab"],
    "half a chunk, with a key": [chat(b"").replace(b"content-length: 0", b"transfer-encoding: chunked"), b"5\r\nab"],
    "nonsense": [b"\0\0\0\0"],
}


def test_no_stranger_stays(gateway: RunningGateway) -> None:
    """All at once, to wait for them once; the connection itself must go, not only what the client reads end."""
    clients = []
    for pieces in STRANGERS.values():
        client = RawClient(gateway)
        clients.append(client)
        for piece in pieces:
            client.send(piece)
            if len(pieces) > 1 and piece is pieces[0]:
                client.read_until(b"HTTP/1.1") if b"x-api-key: sk-edge" not in piece else None
    until(lambda: not gateway.server.server_state.connections, "all are gone")
    for client in clients:
        client.socket.close()


@pytest.mark.timeout(120)
def test_who_reads_nothing_is_cut() -> None:
    limits = f"  keys: [{KEY}]\n  pipeline: {{put_timeout: 1s}}"
    with (
        RunningGateway(configuration(simulated("echo"), limits)) as gateway,
        RawClient(gateway, receive_buffer=4096) as client,
    ):
        send_all_it_takes(client, LIVE * 1000, at_most=10**9)
        # Before that it serves what it has read, thousands of requests.
        until(lambda: not gateway.server.server_state.connections, "it is cut", timeout=90)


def test_connections_are_bounded_for_an_address_and_in_all() -> None:
    limits = f"  keys: [{KEY}]\n  server: {{max_connections: 8, address_share: 0.5}}"
    with RunningGateway(configuration(simulated("echo"), limits)) as gateway:
        held = [RawClient(gateway) for _ in range(4)]
        for client in held:
            client.send(LIVE)
            assert statuses(client.read_until(b"\r\n\r\n")) == [200]
        with RawClient(gateway) as beyond:
            beyond.send(LIVE)
            assert statuses(beyond.read_all()) == [503]
        assert gateway.sample("flowspan_client_connections_refused_total", reason="address") == 1
        gateway.log_line(
            level="warning", message="1 connection of clients turned away: 1 beyond the share of one address"
        )
        others = [_from("127.0.0.2", gateway) for _ in range(4)]
        third = _from("127.0.0.3", gateway)
        assert statuses(third.recv(4096)) == [503]
        assert gateway.sample("flowspan_client_connections_refused_total", reason="total") == 1
        for one in (*others, third, *(client.socket for client in held)):
            one.close()
        until(lambda: gateway.sample("flowspan_client_connections") == 0, "all have gone")
        assert request(gateway, "GET", "/livez").status == 200


def test_a_lack_of_descriptors_is_told_and_passes() -> None:
    refused = "flowspan_client_connections_refused_total"
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with (
        RunningGateway(configuration(simulated("echo"), f"  keys: [{KEY}]")) as gateway,
        RawClient(gateway) as served,
        socket.socket() as waiting,
    ):
        waiting.settimeout(15)
        served.send(LIVE)
        served.read_until(b"200 OK")
        free = os.open(os.devnull, os.O_RDONLY)
        os.close(free)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
            waiting.connect(("127.0.0.1", gateway.port))
            waiting.sendall(LIVE)
            until(lambda: gateway.sample(refused, reason="descriptors") > 1, "it is counted, more than once")
            used = gateway.cpu_seconds()
            served.send(LIVE)
            served.read_until(b"200 OK")
            assert gateway.cpu_seconds() - used < 0.5, "it tries again and again"
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert waiting.recv(4096).startswith(b"HTTP/1.1 200 ")
        lines = until(lambda: [line for line in gateway.logs() if "turned away" in str(line["message"])], "it is told")
        assert "for want of file descriptors" in lines[0]["message"]


def _from(address: str, gateway: RunningGateway) -> socket.socket:
    return socket.create_connection(("127.0.0.1", gateway.port), 15, (address, 0))


def test_a_drain_does_not_wait_for_strangers() -> None:
    limits = f"  keys: [{KEY}]"
    with RunningGateway(configuration(simulated("echo"), limits)) as gateway:
        clients = [RawClient(gateway) for _ in STRANGERS]
        for client, pieces in zip(clients, STRANGERS.values(), strict=True):
            if b"x-api-key: sk-edge" not in b"".join(pieces):
                client.send(b"".join(pieces))
        until(lambda: len(gateway.server.server_state.connections) > len(STRANGERS) - 3, "they are there")
        gateway.stop()
        gateway.join(5)
        for client in clients:
            client.socket.close()


STEPS = st.sampled_from(
    [
        (200, LIVE),
        (200, MODELS),
        (200, chat(hello(), b"connection: upgrade\r\nupgrade: h2c")),
        (200, chat(hello("x" * 2000))),
        (401, chat(hello(), key="sk-wrong-0123456789abc")),
        (405, chat(MODELS, path="/livez")),
        (404, chat(LIVE, b"UPGRADE: h2c\r\nConnection: keep-alive, Upgrade", path="/v1/nothing")),
        (400, chat(b"not json " + LIVE)),
        (
            200,
            chat(b"").replace(b"content-length: 0", b"transfer-encoding: chunked")
            + b"%x;a=b\r\n%b\r\n0\r\nx-api-key: nobody\r\n\r\n" % (len(hello()), hello()),
        ),
    ]
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, min_size=1, max_size=6), st.lists(st.integers(1, 2000), max_size=8))
def test_a_sequence_of_requests_has_the_same_answers_however_it_is_cut(
    patient: RunningGateway, sent: list[tuple[int, bytes]], sizes: list[int]
) -> None:
    """Up to one whose body was not whole when it was answered: that one is the last."""
    data = b"".join(one for _, one in sent)
    with RawClient(patient) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answers: list[bytes] = []
        reading = threading.Thread(target=lambda: answers.append(client.read_all()))
        reading.start()
        at = 0
        for size in sizes:
            client.send(data[at : at + size])
            at += size
        client.send(data[at:] + LIVE.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
        reading.join(15)
    expected = [status for status, _ in sent] + [200]
    got = statuses(answers[0])
    assert got == expected[: len(got)]
    assert len(got) == len(expected) or b"connection: close" in answers[0].rpartition(b"HTTP/1.1 ")[2]
    assert answers[0].count(b'"object":"list"') == sum(one is MODELS for _, one in sent[: len(got)])
