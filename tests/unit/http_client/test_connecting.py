"""From a route to a connection: names, addresses, TLS and tunnels, on both event loops."""

import asyncio
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvloop

from app.http_client import MalformedResponse, Origin, Pool, Proxy, ProxyConnectionFailed, Route, Tls, resource_of
from app.http_client.errors import ConnectionLost
from app.http_client.heads import Resource
from app.lookups import Lookups
from app.settings import DnsSettings
from tests.certificates import Authority, Issued
from tests.unit.http_client.rig import OK, Serve, asked, head_of, pool_at, read_all, responding, served, turns, until

Run = Callable[[Coroutine[Any, Any, None]], None]
MANY = 4


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    factory = asyncio.new_event_loop if request.param == "asyncio" else uvloop.new_event_loop

    def run_it(coroutine: Coroutine[Any, Any, None]) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(20):
                await coroutine

        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(bounded())

    return run_it


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def issued(authority: Authority) -> Issued:
    return authority.issue("server")


def trusting(authority: Authority, client: Issued | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.certificate)
    context.set_alpn_protocols(["http/1.1"])
    if client is not None:
        context.load_cert_chain(client.certificate, client.key)
    return context


def server_context(authority: Authority, issued: Issued, *, asks: bool = False) -> ssl.SSLContext:
    """A server's, with a certificate; one that asks serves those only who show one of this authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    if asks:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority.certificate)
    return context


def always(*responses: bytes) -> Serve:
    return responding(*(responses or (OK,)) * MANY)


class TestTls:
    def test_a_server_of_a_known_authority_is_asked_again_and_again(
        self, run: Run, authority: Authority, issued: Issued
    ) -> None:
        async def main() -> None:
            server = server_context(authority, issued)
            server.set_alpn_protocols(["h2", "http/1.1"])
            agreed: list[object] = []

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                agreed.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
                await always()(reader, writer)

            tls = Tls(trusting(authority))
            async with served(serve, ssl=server) as url, pool_at(url, tls=tls) as (pool, resource):
                for _ in range(MANY - 1):
                    assert await asked(pool, resource) == b"ok"
                large = bytes(3 * 1024**2)
                assert await asked(pool, resource, large) == b"ok"
                assert agreed == ["http/1.1"]

        run(main())

    def test_a_server_that_cannot_be_verified_is_sent_nothing(
        self, run: Run, authority: Authority, tmp_path: Path
    ) -> None:
        async def main() -> None:
            came: list[bytes] = []

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                came.append(await reader.read(1000))

            stranger = Authority(tmp_path, "stranger")
            cases = [
                (server_context(authority, authority.issue("other", "DNS:other.test")), None),
                (server_context(stranger, stranger.issue("server")), None),
                (server_context(authority, authority.issue("server2")), "other.test"),
            ]
            for context, name in cases:
                tls = Tls(trusting(authority), name)
                async with served(serve, ssl=context) as url, pool_at(url, tls=tls) as (pool, resource):
                    with pytest.raises(ssl.SSLCertVerificationError):
                        await asked(pool, resource)
                    assert pool.state == (0, 0, 0)
            assert b"".join(came) == b""

        run(main())

    def test_a_name_that_was_set_is_asked_for_and_verified(self, run: Run, authority: Authority) -> None:
        async def main() -> None:
            context = server_context(authority, authority.issue("named", "DNS:named.test"))
            names: list[str | None] = []
            context.sni_callback = lambda connection, name, _: names.append(name)
            tls = Tls(trusting(authority), "named.test")
            async with served(always(), ssl=context) as url, pool_at(url, tls=tls) as (pool, resource):
                assert await asked(pool, resource) == b"ok"
            assert names == ["named.test"]

        run(main())

    def test_a_clients_certificate_is_shown(self, run: Run, authority: Authority, issued: Issued) -> None:
        async def main() -> None:
            context = server_context(authority, issued, asks=True)
            client = authority.issue("client", "DNS:client.test")
            async with served(always(), ssl=context) as url:
                async with pool_at(url, tls=Tls(trusting(authority, client))) as (pool, resource):
                    assert await asked(pool, resource) == b"ok"
                async with pool_at(url, tls=Tls(trusting(authority))) as (pool, resource):
                    with pytest.raises((OSError, ConnectionLost)):
                        await asked(pool, resource)

        run(main())

    def test_a_server_that_does_not_speak_it_is_an_error(self, run: Run, authority: Authority) -> None:
        async def main() -> None:
            async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await reader.read(1)
                writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

            async with served(plain) as url:
                secure = url.replace("http:", "https:")
                async with pool_at(secure, tls=Tls(trusting(authority))) as (pool, resource):
                    with pytest.raises(ssl.SSLError):
                        await asked(pool, resource)

        run(main())

    def test_a_handshake_that_hangs_ends_in_time_and_is_left(self, run: Run, authority: Authority) -> None:
        async def main() -> None:
            left = asyncio.Event()

            async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                while await reader.read(1000):
                    pass
                left.set()

            async with served(silent) as url:
                secure = url.replace("http:", "https:")
                async with pool_at(secure, connect_limit=0.1, tls=Tls(trusting(authority))) as (pool, resource):
                    with pytest.raises(TimeoutError):
                        await asked(pool, resource)
                    await asyncio.wait_for(left.wait(), 5)
                    assert pool.state == (0, 0, 0)

        run(main())

    def test_one_that_is_cancelled_at_any_time_disturbs_no_later_one(
        self, run: Run, authority: Authority, issued: Issued
    ) -> None:
        async def main() -> None:
            async with served(always(), ssl=server_context(authority, issued)) as url:
                url = url.replace("127.0.0.1", "localhost")
                for count in range(12):
                    async with pool_at(url, tls=Tls(trusting(authority))) as (pool, resource):
                        task = asyncio.create_task(asked(pool, resource))
                        await turns(count)
                        task.cancel()
                        await asyncio.gather(task, return_exceptions=True)
                        assert await asked(pool, resource) == b"ok"
                        assert pool.state == (0, 1, 0)

        run(main())

    def test_what_came_before_the_end_of_the_connection_is_read_however_late(
        self, run: Run, authority: Authority, issued: Issued
    ) -> None:
        body = bytes(range(256)) * 2400
        closed = threading.Event()
        context = server_context(authority, issued)

        def serve(listener: socket.socket) -> None:
            accepted, _ = listener.accept()
            with context.wrap_socket(accepted, server_side=True) as encrypted:
                encrypted.recv(1000)
                encrypted.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
                with socket.socket(fileno=encrypted.detach()) as plain:
                    plain.shutdown(socket.SHUT_WR)
                    closed.set()
                    plain.recv(1000)

        async def main() -> None:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                thread = threading.Thread(target=serve, args=(listener,))
                thread.start()
                url = f"https://localhost:{listener.getsockname()[1]}"
                async with pool_at(url, tls=Tls(trusting(authority))) as (pool, resource):
                    response = await pool.request("POST", resource, {}, b"", None)
                    await until(closed.is_set)
                    await turns(20)
                    assert await read_all(response) == body
                thread.join()

        run(main())

    def test_a_route_has_it_where_its_scheme_does(self) -> None:
        with pytest.raises(ValueError, match="https"):
            Route(Origin("https", "a.example", 443))
        with pytest.raises(ValueError, match="https"):
            Route(Origin("http", "a.example", 80), Tls(ssl.create_default_context()))


def looking_up(*hosts: str, error: int = 0) -> tuple[Lookups, list[str]]:
    """Look-ups that find these addresses for any name, and the names."""
    names: list[str] = []

    def getaddrinfo(host: str, *_: object) -> Sequence[Any]:
        names.append(host)
        if error:
            raise socket.gaierror(error, "scripted")
        kind = (socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [
            (socket.AF_INET6, *kind, (one, 0, 0, 0)) if ":" in one else (socket.AF_INET, *kind, (one, 0))
            for one in hosts
        ]

    return Lookups(DnsSettings(), getaddrinfo=getaddrinfo), names


@contextmanager
def hanging(host: str, port: int) -> Iterator[None]:
    """An address that lets connections wait for ever: its queue is full, and nobody accepts them."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((host, port))
        listener.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex((host, port))
        yield


def named_pool(url: str, lookups: Lookups, connect_limit: float = 5.0) -> tuple[Pool, Resource]:
    resource = resource_of(f"http://provider.test:{url.rpartition(':')[2]}/")
    return Pool(Route(resource.origin), lookups, limit=10, connect_limit=connect_limit), resource


class TestAddresses:
    def test_the_next_address_is_tried_where_one_refuses_or_says_nothing(self, run: Run) -> None:
        async def main() -> None:
            # One of a network for documentation leads nowhere (or has no way there at all); one refuses.
            for hosts in (("127.0.0.2", "127.0.0.1"), ("192.0.2.1", "127.0.0.1"), ("::1", "127.0.0.1")):
                lookups, names = looking_up(*hosts)
                async with served(always()) as url:
                    pool, resource = named_pool(url, lookups)
                    assert await asked(pool, resource) == b"ok"
                    assert names == ["provider.test"]
                    await pool.aclose()

        run(main())

    @pytest.mark.skipif(sys.platform != "linux", reason="A full queue drops connections as Linux does.")
    def test_an_address_that_hangs_holds_up_the_next_one_but_a_moment(self, run: Run) -> None:
        async def main() -> None:
            async with served(always()) as url:
                port = int(url.rpartition(":")[2])
                with hanging("127.0.0.3", port):
                    lookups, _ = looking_up("127.0.0.3", "127.0.0.1")
                    pool, resource = named_pool(url, lookups)
                    assert await asked(pool, resource) == b"ok"
                    [seconds] = pool.take_news().connects
                    assert 0.2 < seconds < 4
                    await pool.aclose()

        run(main())

    def test_a_name_that_does_not_exist_is_told_from_a_resolver_that_cannot_tell(self, run: Run) -> None:
        async def main() -> None:
            for number in (socket.EAI_NONAME, socket.EAI_AGAIN):
                lookups, _ = looking_up(error=number)
                pool, resource = named_pool("x:80", lookups)
                with pytest.raises(socket.gaierror) as raised:
                    await asked(pool, resource)
                assert raised.value.errno == number
                assert pool.state == (0, 0, 0)

        run(main())

    def test_an_address_is_asked_of_nobody(self, run: Run) -> None:
        async def main() -> None:
            lookups, names = looking_up()
            async with served(always()) as url:
                resource = resource_of(url)
                pool = Pool(Route(resource.origin), lookups, limit=1, connect_limit=5)
                assert await asked(pool, resource) == b"ok"
                await pool.aclose()
            assert names == []

        run(main())


class Tunnels:
    """A proxy that opens tunnels, or responds with `refusal`. Keeps the heads that it was sent."""

    def __init__(self, refusal: bytes = b"", greeting: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n") -> None:
        self.heads: list[bytes] = []
        self.tunnels = 0
        self._refusal = refusal
        self._greeting = greeting

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await head_of(reader)
        self.heads.append(head)
        if self._refusal or not head.startswith(b"CONNECT "):
            writer.write(self._refusal or OK)
            await writer.drain()
            await reader.read(1)
            return
        host, _, port = head.split(b" ")[1].decode().rpartition(":")
        inner, outer = await asyncio.open_connection(host, int(port))
        self.tunnels += 1
        for at in range(len(self._greeting)):
            writer.write(self._greeting[at : at + 1])
            await asyncio.sleep(0)
        try:
            await asyncio.gather(_pump(reader, outer), _pump(inner, writer))
        finally:
            outer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


class TestTunnels:
    def at(self, url: str, proxy: str, tls: Tls | None, **options: Any) -> tuple[Pool, Resource]:
        resource = resource_of(url)
        way = Proxy(resource_of(proxy).origin, options.pop("proxy_tls", None), options.pop("authorization", None))
        limits = {"limit": 10, "connect_limit": 5.0, **options}
        return Pool(Route(resource.origin, tls, way), Lookups(DnsSettings()), **limits), resource

    @pytest.mark.parametrize("secure_proxy", [False, True])
    def test_a_server_behind_a_tunnel_is_verified_by_its_own_name(
        self, run: Run, authority: Authority, issued: Issued, secure_proxy: bool
    ) -> None:
        async def main() -> None:
            proxy, context = Tunnels(), server_context(authority, issued)
            options: dict[str, Any] = {"ssl": context} if secure_proxy else {}
            server: AbstractAsyncContextManager[str] = served(always(), ssl=context)
            async with server as url, served(proxy.serve, **options) as proxy_url:
                tls = Tls(trusting(authority))
                pool, resource = self.at(
                    url, proxy_url, tls, proxy_tls=tls if secure_proxy else None, authorization="Basic dTpw"
                )
                for _ in range(MANY):
                    assert await asked(pool, resource, bytes(300_000)) == b"ok"
                assert proxy.tunnels == 1
                port = url.rpartition(":")[2].encode()
                assert proxy.heads == [
                    b"CONNECT 127.0.0.1:%b HTTP/1.1\r\nhost: 127.0.0.1:%b\r\nUser-Agent: flowspan\r\n"
                    b"Proxy-Authorization: Basic dTpw\r\n\r\n" % (port, port)
                ]
                await pool.aclose()
                if secure_proxy:
                    # asyncio of Python 3.11 falls over a handshake that fails within TLS.
                    return
                pool, resource = self.at(url, proxy_url, replace(tls, server_name="other.test"))
                with pytest.raises(ssl.SSLCertVerificationError):
                    await asked(pool, resource)

        run(main())

    @pytest.mark.parametrize("status", [407, 403, 502, 302])
    def test_a_proxy_that_refuses_is_told_from_the_server(self, run: Run, authority: Authority, status: int) -> None:
        async def main() -> None:
            proxy = Tunnels(b"HTTP/1.1 %d No\r\ncontent-length: 2\r\n\r\nno" % status)
            async with served(proxy.serve) as proxy_url:
                pool, resource = self.at("https://provider.test/", proxy_url, Tls(trusting(authority)))
                with pytest.raises(ProxyConnectionFailed) as raised:
                    await asked(pool, resource)
                assert raised.value.status == status
                assert pool.state == (0, 0, 0)

        run(main())

    @pytest.mark.parametrize(
        "response",
        [
            b"SSH-2.0-OpenSSH\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n\x16\x03\x01",
            b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000,
        ],
    )
    def test_a_proxy_that_speaks_otherwise_is_an_error(self, run: Run, authority: Authority, response: bytes) -> None:
        async def main() -> None:
            async with served(Tunnels(response).serve) as proxy_url:
                pool, resource = self.at("https://provider.test/", proxy_url, Tls(trusting(authority)))
                with pytest.raises(ProxyConnectionFailed) as raised:
                    await asked(pool, resource)
                assert isinstance(raised.value.__cause__, MalformedResponse)

        run(main())

    def test_a_proxy_that_closes_or_says_nothing_is_an_error_in_time(self, run: Run, authority: Authority) -> None:
        async def main() -> None:
            left = asyncio.Event()

            async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await head_of(reader)

            async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                while await reader.read(1000):
                    pass
                left.set()

            tls = Tls(trusting(authority))
            async with served(closing) as proxy_url:
                pool, resource = self.at("https://provider.test/", proxy_url, tls)
                with pytest.raises(ProxyConnectionFailed) as raised:
                    await asked(pool, resource)
                assert isinstance(raised.value.__cause__, ConnectionLost)
            async with served(silent) as proxy_url:
                pool, resource = self.at("https://provider.test/", proxy_url, tls, connect_limit=0.1)
                with pytest.raises(ProxyConnectionFailed) as raised:
                    await asked(pool, resource)
                assert isinstance(raised.value.__cause__, TimeoutError)
                await asyncio.wait_for(left.wait(), 5)

        run(main())

    def test_a_plain_server_is_asked_by_its_whole_url(self, run: Run) -> None:
        async def main() -> None:
            proxy = Tunnels()
            async with served(proxy.serve) as proxy_url:
                pool, resource = self.at("http://provider.test/v1/x?q=1", proxy_url, None, authorization="Basic dTpw")
                assert await asked(pool, resource) == b"ok"
                assert proxy.heads == [
                    b"POST http://provider.test/v1/x?q=1 HTTP/1.1\r\nhost: provider.test\r\n"
                    b"proxy-authorization: Basic dTpw\r\ncontent-length: 0\r\n\r\n"
                ]
                await pool.aclose()

        run(main())

    def test_a_proxys_credentials_are_not_shown(self) -> None:
        text = repr(Proxy(Origin("http", "proxy.test", 3128), None, "Basic c2VjcmV0"))
        assert "c2VjcmV0" not in text
