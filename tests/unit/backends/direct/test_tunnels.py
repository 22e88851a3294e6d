"""The way to a provider by a proxy, and TLS on it: what is asked of whom, who failed, and which connections are used
again."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.backends.direct.connections import Connections, pool_readings
from app.backends.direct.errors import connection_lost
from app.errors import LocalFailure, ProxyFailed, UpstreamTimeout, UpstreamUnreachable
from app.http_client import HttpError, ProxyConnectionFailed
from app.lookups import Lookups
from app.settings import DnsSettings, UpstreamProxy, UpstreamTls
from tests.certificates import Authority, Issued
from tests.forward_proxy import ForwardProxy
from tests.support import run
from tests.unit.http_client.rig import read_all
from tests.upstream import ScriptedUpstream, json_reply

USUAL = UpstreamTls()
SECRET = "Basic bWU6b3BlbiBzZXNhbWU="


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(authority: Authority) -> Issued:
    return authority.issue("server")


def trusting(authority: Authority) -> UpstreamTls:
    return UpstreamTls(bundle=authority.certificate.read_text())


def showing(authority: Authority, issued: Issued) -> UpstreamTls:
    texts = (one.read_text() for one in (authority.certificate, issued.certificate, issued.key))
    bundle, certificate, key = texts
    return UpstreamTls(bundle=bundle, certificate=certificate, key=key)


@asynccontextmanager
async def connections(
    url: str, proxy: UpstreamProxy | None = None, tls: UpstreamTls = USUAL, connect_limit: float = 5.0
) -> AsyncIterator[Connections]:
    pool = Connections(url, Lookups(DnsSettings()), proxy=proxy, tls=tls, connect_limit=connect_limit)
    try:
        yield pool
    finally:
        await pool.aclose()


async def asked(pool: Connections, url: str, times: int = 1) -> None:
    for _ in range(times):
        response = await pool.request("POST", f"{url}/v1/x", b"{}", {"authorization": "Bearer key"})
        assert response.status == 200
        await read_all(response)


async def failure(pool: Connections, url: str) -> BaseException:
    with pytest.raises((HttpError, OSError)) as raised:
        await asked(pool, url)
    return connection_lost(raised.value, str)


def test_a_provider_is_asked_through_a_tunnel_that_is_used_again(authority: Authority, server: Issued) -> None:
    async def main() -> None:
        async with (
            ScriptedUpstream(json_reply({}), tls=authority.server_context(server)) as upstream,
            ForwardProxy(upstream.port) as proxy,
            connections(upstream.url, UpstreamProxy(proxy.url, SECRET), trusting(authority)) as pool,
        ):
            await asked(pool, upstream.url, times=3)
            [head] = proxy.heads
            assert head.startswith(f"CONNECT 127.0.0.1:{upstream.port} HTTP/1.1\r\n".encode())
            assert f"Proxy-Authorization: {SECRET}\r\n".encode() in head
            assert b"key" not in head
            assert upstream.connections == 1
            for request in upstream.requests:
                assert request.path == "/v1/x"
                assert request.headers["authorization"] == "Bearer key"
                assert "proxy-authorization" not in request.headers
            [reading] = pool_readings()
            assert (reading.origin, reading.idle) == (upstream.url, 1)

    run(main())


def test_a_provider_whose_address_is_http_is_asked_in_absolute_form() -> None:
    async def main() -> None:
        async with (
            ScriptedUpstream(json_reply({})) as upstream,
            ForwardProxy(upstream.port) as proxy,
            connections("http://model.test", UpstreamProxy(proxy.url, SECRET)) as pool,
        ):
            await asked(pool, "http://model.test", times=2)
            [head] = proxy.heads
            assert head.startswith(b"POST http://model.test/v1/x HTTP/1.1\r\n")
            assert f"proxy-authorization: {SECRET}\r\n".lower() in head.decode().lower()
            assert len(upstream.requests) == 2

    run(main())


def test_its_name_is_looked_up_by_the_proxy(authority: Authority, server: Issued) -> None:
    async def main() -> None:
        async with (
            ScriptedUpstream(json_reply({}), tls=authority.server_context(server)) as upstream,
            ForwardProxy(upstream.port) as proxy,
        ):
            tls = trusting(authority)
            async with connections("https://model.test", UpstreamProxy(proxy.url), tls) as pool:
                error = await failure(pool, "https://model.test")
                # The tunnel stands, and who is at its other end is not whom the address names.
                assert type(error) is UpstreamUnreachable
                assert "SSLCertVerificationError" in str(error.detail)
            named = UpstreamTls(bundle=tls.bundle, server_name="localhost")
            async with connections("https://model.test", UpstreamProxy(proxy.url), named) as pool:
                await asked(pool, "https://model.test")
            assert [head.split(b" ")[1] for head in proxy.heads] == [b"model.test:443"] * 2

    run(main())


def status(line: str) -> Callable[[bytes], bytes | None]:
    return lambda head: f"HTTP/1.1 {line}\r\nContent-Length: 3\r\n\r\nno\n".encode()


@pytest.mark.parametrize(
    ("answers", "message", "detail"),
    [
        (status("407 Proxy Authentication Required"), "asked for other credentials (status 407)", "status 407"),
        (status("401 Unauthorized"), "asked for other credentials (status 401)", "status 401"),
        (status("403 Filtered"), "did not connect to it (status 403)", "status 403"),
        (status("502 Bad Gateway"), "did not connect to it (status 502)", "status 502"),
        (lambda head: b"", "could not be reached", "ConnectionLost"),
        (lambda head: b"no HTTP at all\r\n\r\n", "could not be reached", "could not be reached"),
        (lambda head: None, "could not be reached", "did not answer in time"),
    ],
)
def test_what_the_proxy_fails_at_is_not_the_providers(
    authority: Authority, answers: Callable[[bytes], bytes | None], message: str, detail: str
) -> None:
    async def main() -> None:
        async with (
            ForwardProxy(0, answers) as proxy,
            connections("https://model.test", UpstreamProxy(proxy.url, SECRET), connect_limit=0.3) as pool,
        ):
            error = await failure(pool, "https://model.test")
            assert isinstance(error, ProxyFailed)
            assert message in error.message
            assert detail in str(error.detail)
            assert proxy.url in str(error.detail)
            assert error.retryable
            assert error.counts_against_deployment
            assert SECRET not in f"{error.message} {error.detail} {error.__context__!r}"
            [reading] = pool_readings()
            assert (reading.active, reading.idle, reading.waiting) == (0, 0, 0)

    run(main())


def test_a_proxy_that_is_not_there_is_not_the_providers_failure_either() -> None:
    async def main() -> None:
        async with ForwardProxy(0) as gone:
            url = gone.url
        for origin in ("https://model.test", "http://model.test"):
            async with connections(origin, UpstreamProxy(url)) as pool:
                error = await failure(pool, origin)
                assert isinstance(error, ProxyFailed)
                assert "Connect call failed" in str(error.detail)
            async with connections(origin, UpstreamProxy("http://proxy.invalid:3128")) as pool:
                named = await failure(pool, origin)
                # Of a name server that does not answer no proxy is to blame.
                assert isinstance(named, ProxyFailed | LocalFailure)

    run(main())


def test_a_provider_that_does_not_go_on_behind_the_tunnel_is_not_the_proxys_failure() -> None:
    async def main() -> None:
        established = b"HTTP/1.1 200 Connection established\r\n\r\n"
        async with (
            asyncio.timeout(10),
            _Silent() as silent,
            ForwardProxy(silent.port) as proxy,
            connections("https://model.test", UpstreamProxy(proxy.url), connect_limit=0.3) as pool,
        ):
            error = await failure(pool, "https://model.test")
            assert type(error) is UpstreamTimeout
        async with (
            ForwardProxy(0, lambda head: established) as proxy,
            connections("https://model.test", UpstreamProxy(proxy.url)) as pool,
        ):
            error = await failure(pool, "https://model.test")
            assert type(error) is UpstreamUnreachable

    run(main())


class _Silent:
    """A server that takes connections and says nothing."""

    async def __aenter__(self) -> "_Silent":
        self._server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *given: object) -> None:
        self._server.close()


def test_two_deployments_with_different_certificates_never_share_a_connection(
    authority: Authority, server: Issued
) -> None:
    async def main() -> None:
        ours, theirs = authority.issue("ours"), authority.issue("theirs")
        async with ScriptedUpstream(json_reply({}), tls=authority.server_context(server, asks=True)) as upstream:
            url = upstream.url
            async with (
                connections(url, tls=showing(authority, ours)) as first,
                connections(url, tls=showing(authority, theirs)) as second,
                connections(url, tls=showing(authority, ours)) as third,
            ):
                for pool in (first, second, third, second, first):
                    await asked(pool, url)
                names = [request.common_name for request in upstream.requests]
                assert names == ["ours", "theirs", "ours", "theirs", "ours"]
                assert upstream.connections == 2
                [reading] = pool_readings()
                assert (reading.idle, len(reading.connects)) == (2, 2)

    run(main())


def test_nothing_that_changes_a_connection_is_shared(authority: Authority, server: Issued) -> None:
    async def main() -> None:
        async with (
            ScriptedUpstream(json_reply({}), tls=authority.server_context(server)) as upstream,
            ForwardProxy(upstream.port) as proxy,
        ):
            tls, url = trusting(authority), upstream.url
            ways: list[tuple[UpstreamProxy | None, UpstreamTls]] = [
                (None, tls),
                (None, UpstreamTls(verify=False)),
                (None, UpstreamTls(bundle=tls.bundle, minimum_version="TLSv1.3")),
                (None, UpstreamTls(bundle=tls.bundle, server_name="localhost")),
                (UpstreamProxy(proxy.url), tls),
                (UpstreamProxy(proxy.url, SECRET), tls),
            ]
            for number, (by, how) in enumerate(ways, start=1):
                async with connections(url, *ways[0]) as usual, connections(url, by, how) as other:
                    await asked(usual, url)
                    before = upstream.connections
                    await asked(other, url)
                    assert upstream.connections - before == (0 if number == 1 else 1)

    run(main())


def test_a_provider_of_another_authority_or_an_older_tls_is_not_asked(
    authority: Authority, server: Issued, tmp_path: Path
) -> None:
    async def main() -> None:
        context = authority.server_context(server)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        strangers = Authority(tmp_path, "strangers").certificate.read_text()
        async with ScriptedUpstream(json_reply({}), tls=context) as upstream:
            bundle = authority.certificate.read_text()
            for tls in (
                UpstreamTls(),
                UpstreamTls(bundle=strangers),
                UpstreamTls(bundle=bundle, minimum_version="TLSv1.3"),
                UpstreamTls(bundle=bundle, server_name="other.test"),
            ):
                async with connections(upstream.url, tls=tls) as pool:
                    assert type(await failure(pool, upstream.url)) is UpstreamUnreachable
            async with connections(upstream.url, tls=UpstreamTls(bundle=bundle)) as pool:
                await asked(pool, upstream.url)
            assert len(upstream.requests) == 1

    run(main())


def test_a_bundle_that_has_gone_since_it_was_checked_fails_the_request_alone(tmp_path: Path) -> None:
    async def main() -> None:
        tls = UpstreamTls(bundle=str(tmp_path / "gone.pem"), bundle_digest="of what it was")
        async with connections("https://model.test", tls=tls) as pool:
            with pytest.raises(UpstreamUnreachable) as raised:
                await asked(pool, "https://model.test")
            assert "bundle" in str(raised.value.detail)

    run(main())


def test_errors_of_a_proxy_show_no_credentials() -> None:
    error = ProxyConnectionFailed("http://proxy.test:3128 made no tunnel", 407)
    assert "http://proxy.test:3128" in str(connection_lost(error, str).recorded)
