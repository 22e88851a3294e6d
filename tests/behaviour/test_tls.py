"""TLS at the gateway's port: handshakes that come about, those that do not, and a certificate that is exchanged."""

import http.client
import json
import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.behaviour.clients import CHAT, Reply, ask
from tests.behaviour.gateway import RunningGateway, configuration, simulated, until
from tests.behaviour.process import Served
from tests.certificates import Authority, Issued

REFUSED = "flowspan_client_connections_refused_total"
MODELS = simulated("echo", "lorem-100+pace-50")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder)


@pytest.fixture(scope="module")
def server(authority: Authority) -> Issued:
    return authority.issue("server")


@pytest.fixture(scope="module")
def friend(authority: Authority) -> Issued:
    return authority.issue("friend", subject="/O=Example/CN=friend")


@pytest.fixture(scope="module")
def stranger(folder: Path) -> Issued:
    return Authority(folder, "other").issue("stranger", subject="/CN=friend")


def text(server: Issued, rest: str = "", tls: str = "") -> str:
    files = f"cert_file: {server.certificate}, key_file: {server.key}"
    return configuration(MODELS, f"  server: {{tls: {{{files}{tls}}}{rest}}}")


@pytest.fixture(scope="module")
def gateway(server: Issued) -> Iterator[RunningGateway]:
    with RunningGateway(text(server, ", header_timeout: 1, max_connections: 40, address_share: 1")) as running:
        yield running


@pytest.fixture(scope="module")
def mutual(server: Issued, authority: Authority) -> Iterator[RunningGateway]:
    with RunningGateway(text(server, tls=f", client_ca_file: {authority.certificate}")) as running:
        yield running


def client(authority: Authority, certificate: Issued | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.certificate))
    if certificate is not None:
        context.load_cert_chain(certificate.certificate, certificate.key)
    return context


def ask_over(port: int, context: ssl.SSLContext, body: object) -> Reply:
    with closing(http.client.HTTPSConnection("localhost", port, timeout=15, context=context)) as connection:
        connection.request("POST", CHAT, json.dumps(body), {"content-type": "application/json"})
        reply = connection.getresponse()
        return Reply(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())


def handshake_refused(gateway: RunningGateway) -> float:
    return gateway.sample(REFUSED, reason="handshake")


def test_requests_and_streams_pass_and_are_known_as_https(gateway: RunningGateway, authority: Authority) -> None:
    reply = ask_over(gateway.port, client(authority), ask("echo", stream=True))
    assert reply.body.rstrip().endswith(b"data: [DONE]")
    transaction = gateway.transaction(reply.request_id)
    assert transaction["url.scheme"] == "https"
    assert transaction.get("tls.client.subject") is None
    assert gateway.sample("flowspan_tls_certificate_expiry_timestamp_seconds", subject="CN=server") > 0


def test_several_requests_come_by_one_connection_and_a_large_body_by_another(
    gateway: RunningGateway, authority: Authority
) -> None:
    context = client(authority)
    with closing(http.client.HTTPSConnection("localhost", gateway.port, timeout=15, context=context)) as connection:
        for _ in range(3):
            connection.request("GET", "/livez")
            response = connection.getresponse()
            response.read()
            assert response.status == 200
    words = "word " * 400_000
    assert ask_over(gateway.port, context, ask("echo", text=words)).json()["choices"][0]["message"]["content"] == words


def test_an_answer_before_the_whole_request_can_be_read(gateway: RunningGateway, authority: Authority) -> None:
    context = client(authority)
    with (
        socket.create_connection(("localhost", gateway.port), 15) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connected,
    ):
        connected.sendall(b"POST /nothing HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\n" + b"x" * 1000)
        assert connected.recv(12) == b"HTTP/1.1 404"


def test_plain_http_is_no_request_here(gateway: RunningGateway) -> None:
    before = handshake_refused(gateway)
    with socket.create_connection(("localhost", gateway.port), 15) as plain:
        plain.sendall(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert b"200" not in _rest(plain)
    until(lambda: handshake_refused(gateway) == before + 1, "it is counted")


@pytest.mark.parametrize(
    "sent", [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"], ids=["nothing", "half a hello"]
)
def test_a_handshake_that_does_not_go_on_is_ended_like_a_late_head(gateway: RunningGateway, sent: bytes) -> None:
    before = handshake_refused(gateway)
    with ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(("localhost", gateway.port), 15)) for _ in range(20)]
        for one in slow:
            one.sendall(sent)
        for one in slow:
            assert _rest(one) == b""
    until(lambda: handshake_refused(gateway) == before + 20, "each is counted")
    until(lambda: gateway.sample("flowspan_client_connections") == 0, "each has given its slot back")


def test_whoever_leaves_before_a_handshake_is_no_fault(gateway: RunningGateway) -> None:
    before = handshake_refused(gateway)
    for _ in range(50):
        socket.create_connection(("localhost", gateway.port), 15).close()
    until(lambda: gateway.sample("flowspan_client_connections") == 0, "their slots are free")
    assert handshake_refused(gateway) == before


def test_handshakes_have_slots_like_requests(gateway: RunningGateway, authority: Authority) -> None:
    until(lambda: gateway.sample("flowspan_client_connections") == 0, "all slots are free")
    before = gateway.sample(REFUSED, reason="total")
    with ExitStack() as stack:
        for _ in range(45):
            stack.enter_context(socket.create_connection(("localhost", gateway.port), 15))
        until(lambda: gateway.sample(REFUSED, reason="total") == before + 5, "those beyond them are turned away")


def test_a_client_with_a_certificate_is_named_on_span_and_line(
    mutual: RunningGateway, authority: Authority, friend: Issued
) -> None:
    reply = ask_over(mutual.port, client(authority, friend), ask("echo"))
    transaction = mutual.transaction(reply.request_id)
    assert transaction["tls.client.subject"] == "CN=friend,O=Example"
    assert mutual.log_line(transaction_id=reply.request_id)["client_subject"] == "CN=friend,O=Example"


def test_without_one_or_with_a_strangers_there_is_no_answer(
    mutual: RunningGateway, authority: Authority, stranger: Issued
) -> None:
    before = handshake_refused(mutual)
    for certificate in (None, stranger):
        with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
            ask_over(mutual.port, client(authority, certificate), ask("echo"))
    until(lambda: handshake_refused(mutual) == before + 2, "both are counted")


def test_where_certificates_are_optional_only_a_strangers_is_refused(
    server: Issued, authority: Authority, friend: Issued, stranger: Issued
) -> None:
    tls = f", client_ca_file: {authority.certificate}, client_certificates: optional"
    with RunningGateway(text(server, tls=tls)) as gateway:
        assert ask_over(gateway.port, client(authority), ask("echo")).status == 200
        assert ask_over(gateway.port, client(authority, friend), ask("echo")).status == 200
        with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
            ask_over(gateway.port, client(authority, stranger), ask("echo"))


def test_old_versions_are_not_spoken(server: Issued, authority: Authority) -> None:
    with RunningGateway(text(server, tls=", min_version: TLSv1.3")) as gateway:
        context = client(authority)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask_over(gateway.port, context, ask("echo"))
        assert ask_over(gateway.port, client(authority), ask("echo")).status == 200


def test_idle_clients_do_not_hold_up_the_end(server: Issued, authority: Authority) -> None:
    context = client(authority)
    with ExitStack() as stack, RunningGateway(text(server)) as gateway:
        for _ in range(3):
            connection = http.client.HTTPSConnection("localhost", gateway.port, timeout=15, context=context)
            stack.enter_context(closing(connection))
            connection.request("GET", "/livez")
            connection.getresponse().read()
        gateway.stop()
        gateway.join(5)


def _rest(connected: socket.socket) -> bytes:
    found = b""
    try:
        while piece := connected.recv(1 << 16):
            found += piece
    except ConnectionResetError:
        pass
    return found


def _serial(port: int, authority: Authority) -> str:
    """What tells the certificate of the port from another one."""
    context = client(authority)
    with (
        socket.create_connection(("localhost", port), 15) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connected,
    ):
        return str((connected.getpeercert() or {})["serialNumber"])


def _serials(port: int, authority: Authority) -> set[str]:
    return {_serial(port, authority) for _ in range(10)}


def _is_refused(served: Served) -> bool:
    with closing(http.client.HTTPConnection("127.0.0.1", served.metrics_port, timeout=15)) as connection:
        connection.request("GET", "/metrics")
        return b"\nflowspan_config_last_reload_successful 0.0\n" in connection.getresponse().read()


@pytest.mark.parametrize(
    ("workers", "watch"), [(None, False), (None, True), ("2", False)], ids=["SIGHUP", "watched", "two workers"]
)
def test_a_renewed_certificate_is_served_on_sighup_and_open_streams_go_on(
    tmp_path: Path, authority: Authority, workers: str | None, watch: bool
) -> None:
    served_with, renewed = authority.issue("served"), authority.issue("renewed")
    options = [] if workers is None else ["--workers", workers]
    configured = (
        text(served_with, f", lame_duck: 0, uds: {tmp_path / 's'}") + f"  reload: {{watch: {str(watch).lower()}}}"
    )
    with Served(tmp_path, configured, uds=tmp_path / "s", options=options) as served:
        before = _serial(served.port, authority)
        body = json.dumps(ask("lorem-100+pace-50", stream=True))
        connection = http.client.HTTPSConnection("localhost", served.port, timeout=30, context=client(authority))
        with closing(connection):
            connection.request("POST", CHAT, body, {"content-type": "application/json"})
            stream = connection.getresponse()
            first = stream.read(100)
            served_with.replace(renewed)
            if not watch:
                served.send(signal.SIGHUP)
            # Each worker takes it by itself, a moment after the other.
            until(lambda: before not in _serials(served.port, authority), "the new one is served", 20)
            assert (first + stream.read()).rstrip().endswith(b"data: [DONE]")
        # One that is broken changes nothing.
        after = _serial(served.port, authority)
        served_with.key.write_text("-----BEGIN PRIVATE KEY-----\nbroken\n-----END PRIVATE KEY-----\n")
        if not watch:
            served.send(signal.SIGHUP)
        until(lambda: _is_refused(served), "the configuration is refused", 20)
        assert _serial(served.port, authority) == after
        served.send(signal.SIGTERM)
        log = served.end()
    assert "gateway.server.tls: what its files hold" in log
    assert "gateway.server.tls.key_file: " in log
