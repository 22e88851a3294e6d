"""The gateway's HTTP client before real servers: each request gets its own response, whole and unmixed, over few
connections, and what goes wrong is told as what it was."""

import asyncio
import os
import random
import signal
import ssl
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from app.http_client import BodyIncomplete, HttpError, Pool, Proxy, ProxyConnectionFailed, Route, Tls, resource_of
from app.http_client.errors import ClosedWithoutResponse
from app.http_client.heads import Resource
from app.lookups import Lookups
from app.settings import DnsSettings
from tests.certificates import Authority
from tests.real.origins import SERVERS, nginx, origin
from tests.real.programs import Process, free_port, listens, need
from tests.unit.http_client.rig import asked, read_all

AT_ONCE = 16
SIZES = (0, 1, 1000, 65_535, 300_000, 3_000_000)
Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    factory = asyncio.new_event_loop if request.param == "asyncio" else uvloop.new_event_loop

    def run_it(coroutine: Coroutine[Any, Any, None]) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(60):
                await coroutine

        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(bounded())

    return run_it


@pytest.fixture(scope="module", params=SERVERS)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with origin(request.param, tmp_path_factory.mktemp("origin")) as found:
        yield found


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[tuple[Path, int, int]]:
    folder = tmp_path_factory.mktemp("nginx")
    with nginx(folder, authority) as (plain, tls):
        yield folder / "files", plain, tls


def pool_for(url: str, tls: Tls | None = None, proxy: Proxy | None = None) -> tuple[Pool, Resource]:
    resource = resource_of(url)
    return Pool(Route(resource.origin, tls, proxy), Lookups(DnsSettings()), limit=AT_ONCE, connect_limit=10), resource


async def many(count: int, one: Callable[[int], Coroutine[Any, Any, None]]) -> None:
    """Run `one` for each number, sixteen at a time."""
    numbers = iter(range(count))

    async def some() -> None:
        for number in numbers:
            await one(number)

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


def test_each_request_gets_its_own_response(run: Run, url: str) -> None:
    async def main() -> None:
        rng = random.Random(7)
        bodies = [rng.randbytes(rng.choice(SIZES[:-1]) or 1) for _ in range(60)]
        bodies += [b"", rng.randbytes(SIZES[-1]), rng.randbytes(SIZES[-1])]
        pool, _ = pool_for(url)
        paths = ("/echo", "/stream", "/zipped", "/untold")

        async def one(number: int) -> None:
            body = bodies[number % len(bodies)]
            resource = resource_of(f"{url}{paths[number % len(paths)]}")
            response = await pool.request("POST", resource, {}, body, None)
            try:
                assert response.status == 200
                assert response.headers["X-Size"] == str(len(body))
                assert await read_all(response) == body
            finally:
                response.close()

        await many(4 * len(bodies), one)
        news = pool.take_news()
        # The fourth path closes its connections where no proxy keeps them.
        assert len(news.connects) <= AT_ONCE + len(bodies) + news.resent
        assert pool.state.active == 0
        await pool.aclose()

    run(main())


def test_connections_are_kept(run: Run, url: str) -> None:
    async def main() -> None:
        pool, resource = pool_for(f"{url}/echo")
        for number in range(100):
            assert await asked(pool, resource, b"%d" % number) == b"%d" % number
        assert len(pool.take_news().connects) == 1
        await pool.aclose()

    run(main())


def test_a_refusal_comes_through_while_the_request_still_goes_out(run: Run, url: str) -> None:
    async def main() -> None:
        pool, resource = pool_for(f"{url}/early")
        # More than all buffers on the way take: a request that was sent whole would rightly leave its connection idle.
        body = bytes(64 * 1024**2)
        for _ in range(5):
            response = await pool.request("POST", resource, {}, body, None)
            assert response.status == 413
            response.close()
        assert pool.state.idle == 0
        await pool.aclose()

    run(main())


def test_responses_that_nobody_reads_to_their_end_disturb_no_others(run: Run, url: str) -> None:
    async def main() -> None:
        pool, resource = pool_for(f"{url}/stream")

        async def one(number: int) -> None:
            body = b"%d" % (number % 10) * 500_000
            response = await pool.request("POST", resource, {}, body, None)
            try:
                if number % 2:
                    assert await read_all(response) == body
                else:
                    assert body.startswith(await response.read_piece())
            finally:
                response.close()

        await many(100, one)
        await pool.aclose()

    run(main())


def test_cancelled_requests_disturb_no_others(run: Run, url: str) -> None:
    async def main() -> None:
        pool, resource = pool_for(f"{url}/echo")
        rng = random.Random(3)

        async def one(number: int) -> None:
            body = b"%d" % (number % 10) * rng.choice((10, 100_000))
            task = asyncio.create_task(asked(pool, resource, body))
            if number % 3 == 0:
                await asyncio.wait({task}, timeout=rng.random() / 500)
                task.cancel()
                await asyncio.wait({task})
            else:
                assert await task == body

        await many(300, one)
        await pool.aclose()

    run(main())


def test_requests_about_the_time_when_a_server_closes_its_idle_connections_all_succeed(
    run: Run, tmp_path: Path, authority: Authority
) -> None:
    async def main() -> None:
        with nginx(tmp_path, authority, keepalive="50ms") as (plain, _):
            (tmp_path / "files" / "one").write_text("one")
            pool, resource = pool_for(f"http://127.0.0.1:{plain}/one")
            for number in range(60):
                assert await asked(pool, resource, method="GET") == b"one"
                assert await asked(pool, resource) == b"one"
                await asyncio.sleep(0.046 + number / 6000)
            news = pool.take_news()
            assert len(news.connects) > 10
            await pool.aclose()

    run(main())


class TestNginx:
    def test_files_plain_and_by_tls_with_and_without_gzip(
        self, run: Run, authority: Authority, files: tuple[Path, int, int]
    ) -> None:
        folder, plain, tls = files
        data = random.Random(1).randbytes(200_000) + b"abc" * 300_000
        (folder / "data").write_bytes(data)

        async def main() -> None:
            context = ssl.create_default_context(cafile=authority.certificate)
            for base, secure in ((f"http://127.0.0.1:{plain}", None), (f"https://127.0.0.1:{tls}", Tls(context))):
                pool, _ = pool_for(base, secure)
                for path, headers in (("/data", {}), ("/zipped/data", {"accept-encoding": "gzip"})):
                    resource = resource_of(base + path)
                    for _ in range(30):
                        response = await pool.request("GET", resource, headers, b"", None)
                        assert ("content-encoding" in response.headers) == (path == "/zipped/data")
                        assert await read_all(response) == data
                        response.close()
                # It closes after fifty, which the fiftieth response says.
                news = pool.take_news()
                assert (len(news.connects), news.resent) == (2, 0)
                await pool.aclose()

        run(main())

    def test_a_head_without_a_body_and_an_end_without_a_head(self, run: Run, files: tuple[Path, int, int]) -> None:
        folder, plain, _ = files
        (folder / "one").write_text("one")

        async def main() -> None:
            pool, resource = pool_for(f"http://127.0.0.1:{plain}/one")
            response = await pool.request("HEAD", resource, {}, b"", None)
            assert (response.headers["content-length"], await read_all(response)) == ("3", b"")
            for _ in range(3):
                assert await asked(pool, resource, method="GET") == b"one"
                with pytest.raises(ClosedWithoutResponse):
                    await asked(pool, resource_of(f"http://127.0.0.1:{plain}/gone"))
            await pool.aclose()

        run(main())

    def test_a_body_that_it_finds_too_large(self, run: Run, files: tuple[Path, int, int]) -> None:
        _, plain, _ = files

        async def main() -> None:
            pool, resource = pool_for(f"http://127.0.0.1:{plain}/one")
            for _ in range(5):
                response = await pool.request("POST", resource, {}, bytes(20 * 1024**2), None)
                assert response.status == 413
                assert b"Too Large" in await read_all(response)
                response.close()
            await pool.aclose()

        run(main())

    def test_a_client_certificate_belongs_to_its_own_connections(
        self, run: Run, authority: Authority, files: tuple[Path, int, int]
    ) -> None:
        _, _, tls = files

        async def main() -> None:
            client = authority.issue("client", "DNS:client.test")
            certain = ssl.create_default_context(cafile=authority.certificate)
            certain.load_cert_chain(client.certificate, client.key)
            pool, resource = pool_for(f"https://127.0.0.1:{tls}/certain", Tls(certain))
            assert await asked(pool, resource) == b"CN=client"
            await pool.aclose()
            anybody = ssl.create_default_context(cafile=authority.certificate)
            pool, resource = pool_for(f"https://127.0.0.1:{tls}/certain", Tls(anybody))
            response = await pool.request("POST", resource, {}, b"", None)
            assert response.status == 403
            response.close()
            await pool.aclose()

        run(main())

    def test_one_that_dies_cuts_its_responses_off(self, run: Run, tmp_path: Path, authority: Authority) -> None:
        async def main() -> None:
            with nginx(tmp_path, authority) as (plain, _):
                with (tmp_path / "files" / "large").open("wb") as file:
                    # A hole, and far more than is read before nginx has its signal.
                    file.truncate(8 * 1024**3)
                pool, resource = pool_for(f"http://127.0.0.1:{plain}/large")
                response = await pool.request("GET", resource, {}, b"", None)
                await response.read_piece()
                # nginx ends at once by this, in the middle of what it sends.
                await asyncio.to_thread(_stop, tmp_path)
                with pytest.raises(BodyIncomplete):
                    await read_all(response)
            with pytest.raises((OSError, HttpError)):
                await asked(pool, resource)
            await pool.aclose()

        run(main())


def _stop(folder: Path) -> None:
    os.kill(int((folder / "nginx.pid").read_text()), signal.SIGTERM)


@pytest.mark.parametrize(("credentials", "status"), [("Basic dXNlcjpwYXNz", None), ("Basic dXNlcjpmYWxzZQ==", 401)])
def test_a_tunnel_of_tinyproxy(
    run: Run, tmp_path: Path, authority: Authority, files: tuple[Path, int, int], credentials: str, status: int | None
) -> None:
    folder, plain, tls = files
    (folder / "one").write_text("one")
    port = free_port()
    settings = f"Port {port}\nListen 127.0.0.1\nTimeout 60\nBasicAuth user pass\nConnectPort {tls}\n"
    (tmp_path / "tinyproxy.conf").write_text(settings)
    command = [need("tinyproxy"), "-d", "-c", str(tmp_path / "tinyproxy.conf")]
    log = tmp_path / "log"

    async def main() -> None:
        way = Proxy(resource_of(f"http://127.0.0.1:{port}").origin, authorization=credentials)
        context = ssl.create_default_context(cafile=authority.certificate)
        pool, resource = pool_for(f"https://127.0.0.1:{tls}/one", Tls(context), way)
        if status is None:
            for _ in range(10):
                assert await asked(pool, resource, method="GET") == b"one"
            assert len(pool.take_news().connects) == 1
        else:
            with pytest.raises(ProxyConnectionFailed) as raised:
                await asked(pool, resource, method="GET")
            assert raised.value.status in (401, 407)
        await pool.aclose()
        if status is None:
            pool, resource = pool_for(f"http://127.0.0.1:{plain}/one", None, way)
            assert await asked(pool, resource, method="GET") == b"one"
            await pool.aclose()

    with Process(command, log) as process:
        process.until(lambda: listens(port), "it listens")
        run(main())
