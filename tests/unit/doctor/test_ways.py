"""The doctor goes the way that the gateway goes: by the same proxy, with the same certificates."""

import asyncio
from pathlib import Path

import pytest

from app.configuration import parse
from app.configuration.summary import summary
from app.doctor import examine
from app.doctor.findings import Finding
from app.doctor.network import Reply, Way, ask, reach
from app.settings import UpstreamProxy, UpstreamTls
from tests.certificates import Authority
from tests.forward_proxy import ForwardProxy
from tests.support import run
from tests.upstream import ScriptedUpstream, json_reply

PASSWORD = "open-sesame"
SECRET = "Basic bWU6b3Blbi1zZXNhbWU="
MODELS = json_reply({"data": [{"id": "a"}, {"id": "b"}]})


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


def refusing(line: str) -> ForwardProxy:
    return ForwardProxy(0, lambda head: f"HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n".encode())


def test_a_provider_is_reached_and_asked_through_the_tunnel(authority: Authority) -> None:
    async def main() -> None:
        server, client = authority.issue("server"), authority.issue("client")
        tls = UpstreamTls(
            bundle=authority.certificate.read_text(),
            certificate=client.certificate.read_text(),
            key=client.key.read_text(),
        )
        async with (
            ScriptedUpstream(MODELS, tls=authority.server_context(server, asks=True)) as upstream,
            ForwardProxy(upstream.port) as proxy,
        ):
            way = Way(UpstreamProxy(proxy.url, SECRET), tls)
            assert (await asyncio.to_thread(reach, upstream.url, way)).problem is None
            assert await asyncio.to_thread(ask, f"{upstream.url}/v1/models", {"x": "y"}, way) == Reply(200, 2)
            assert [request.path for request in upstream.requests] == ["/v1/models"]
            assert upstream.requests[0].common_name == "client"
            assert "proxy-authorization" not in upstream.requests[0].headers
            assert all(f"Proxy-Authorization: {SECRET}".encode() in head for head in proxy.heads)
            nobody = Way(tls=UpstreamTls(bundle=tls.bundle, server_name="other.test"))
            assert "its certificate is not valid" in str((await asyncio.to_thread(reach, upstream.url, nobody)).problem)

    run(main())


def test_a_provider_in_clear_is_asked_in_absolute_form() -> None:
    async def main() -> None:
        async with ScriptedUpstream(MODELS) as upstream, ForwardProxy(upstream.port) as proxy:
            way = Way(UpstreamProxy(proxy.url, SECRET))
            reply = await asyncio.to_thread(ask, "http://model.test/v1/models", {}, way)
            assert reply == Reply(200, 2)
            assert proxy.heads[0].startswith(b"GET http://model.test/v1/models HTTP/1.1\r\nHost: model.test\r\n")

    run(main())


def test_what_is_wrong_with_the_proxy_is_told_with_its_name(tmp_path: Path) -> None:
    async def main() -> None:
        async with refusing("407 Proxy Authentication Required") as proxy:
            address = proxy.url.replace("http://", f"http://me:{PASSWORD}@")
            file = tmp_path / "config.yaml"
            params = f"model: openai/m, api_base: 'https://model.test/v1', api_key: k, proxy: '{address}'"
            file.write_text(f"model_list:\n- {{model_name: m, litellm_params: {{{params}}}}}\n")
            sections = await asyncio.to_thread(examine, str(file), {})
            [finding] = next(one.findings for one in sections if one.title == "providers")
            words = "no connection: Tunnel connection failed: 407 Proxy Authentication Required"
            assert finding == Finding("warning", f"openai: model.test: the proxy {proxy.url}: {words}")
            assert PASSWORD not in repr(sections)
            url = proxy.url
        gone = await asyncio.to_thread(reach, "https://model.test", Way(UpstreamProxy(url)))
        assert gone.problem == f"the proxy {url}: no connection: Connection refused"
        nobody = Way(UpstreamProxy("http://nobody.invalid:3128"))
        problem = (await asyncio.to_thread(reach, "https://model.test", nobody)).problem
        assert str(problem).startswith("the proxy http://nobody.invalid:3128: its name is not found")

    run(main())


def test_a_collector_is_reached_by_the_proxy_of_the_environment_as_exports_are(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        endpoint = "http://collector.test:1/v1/traces"

        async def telemetry() -> list[Finding]:
            sections = await asyncio.to_thread(examine, None, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": endpoint})
            return [*next(one.findings for one in sections if one.title == "telemetry")]

        async with ForwardProxy(0) as proxy:
            url = proxy.url
            monkeypatch.setenv("http_proxy", url.replace("http://", f"http://me:{PASSWORD}@"))
            assert await telemetry() == [Finding("good", "traces go to http://collector.test:1/v1/traces")]
        words = f"traces go to http://collector.test:1/v1/traces: the proxy {url}: no connection: Connection refused"
        assert await telemetry() == [Finding("warning", words)]
        monkeypatch.setenv("no_proxy", "collector.test")
        [finding] = await telemetry()
        assert "proxy" not in finding.text

    run(main())


def test_doctor_and_check_say_by_which_way_each_deployment_is_asked(authority: Authority, tmp_path: Path) -> None:
    async def main() -> None:
        server = authority.issue("other-server")
        async with (
            ScriptedUpstream(MODELS, tls=authority.server_context(server)) as upstream,
            ForwardProxy(upstream.port) as proxy,
        ):
            address = proxy.url.replace("http://", f"http://me:{PASSWORD}@")
            certificate, key = server.certificate, server.key
            identity = f"ssl_certificate: '{certificate}', ssl_certificate_key: '{key}', ssl_verify: false"
            where = f"model: openai/m, api_base: '{upstream.url}/v1', api_key: sk-of-the-gateway"
            models = [f"{where}, {options}" for options in (f"proxy: '{address}', {identity}", "ssl_verify: false")]
            text = "model_list:\n" + "".join(f"- {{model_name: m, litellm_params: {{{one}}}}}\n" for one in models)
            file = tmp_path / "config.yaml"
            file.write_text(text)
            sections = await asyncio.to_thread(examine, str(file), {}, asks=True)
            by_proxy, direct = (one.text for one in next(one.findings for one in sections if one.title == "providers"))
            way = f" by the proxy {proxy.url} (litellm_params.proxy), with a client certificate"
            assert f"ms{way}, whose certificate is not checked; its key is good, 2 models" in by_proxy
            assert "ms, whose certificate is not checked; its key is good, 2 models" in direct
            lines = summary(parse(text, "f.yaml", {}).settings)
            expected = f"openai/m by openai, by the proxy {proxy.url} (litellm_params.proxy), with a client certificate"
            assert expected in lines
            assert PASSWORD not in lines + repr(sections)

    run(main())
