"""The way to a provider by real programs: tinyproxy, nginx that asks for a client certificate, openssl's server."""

import json
import signal
from base64 import b64encode
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.certificates import validity_of
from app.doctor import examine
from tests.behaviour.clients import CHAT, RawClient, ask, dechunked, post
from tests.behaviour.gateway import RunningGateway, configuration, until
from tests.behaviour.process import Served
from tests.behaviour.provider import Provider
from tests.behaviour.reloading import ReloadingGateway
from tests.behaviour.scripted import PROVIDER_KEY, text_reply, text_stream
from tests.certificates import Authority, Issued
from tests.real.programs import Process, free_port, need, without
from tests.real.upstreams import PASSWORD, USER, address_in_the_network, listens, nginx, tinyproxy
from tests.upstream import Sleep, openai_error

_AUTHENTICATION = f"BasicAuth {USER} {PASSWORD}"
_EXPIRY = "flowspan_upstream_certificate_expiry_timestamp_seconds"
_FILTER = ("FilterDefaultDeny Yes", 'Filter "{folder}/filter"')
_SECRETS = (PASSWORD, b64encode(f"{USER}:{PASSWORD}".encode()).decode())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(authority: Authority) -> Issued:
    return authority.issue("server", f"DNS:localhost,IP:127.0.0.1,IP:{address_in_the_network()}")


@pytest.fixture(scope="module")
def client(authority: Authority) -> Issued:
    return authority.issue("our-gateway", uses="clientAuth")


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.fixture
def secured(tmp_path: Path, authority: Authority, server: Issued, provider: Provider) -> Iterator[int]:
    """The port of nginx that lets those in who show a certificate of the authority."""
    with nginx(tmp_path, authority, server, provider.url) as port:
        yield port


def entry(name: str, base: str, *options: str) -> str:
    where = f"model: openai/gpt-scripted, api_base: '{base}', api_key: {PROVIDER_KEY}"
    return f"{name}: {{{', '.join((where, *options))}}}"


def tls(authority: Authority, client: Issued) -> str:
    identity = f"ssl_certificate: '{client.certificate}', ssl_certificate_key: '{client.key}'"
    return f"ssl_verify: '{authority.certificate}', {identity}"


def shows_no_secret(gateway: RunningGateway, *texts: str) -> None:
    gateway.wait_until_idle()
    spans = [f"{span.attributes} {[(one.name, one.attributes) for one in span.events]}" for span in gateway.spans()]
    samples = [
        f"{sample.name} {sample.labels}" for family in gateway.telemetry.registry.collect() for sample in family.samples
    ]
    everything = "\n".join([gateway.log.getvalue(), *spans, *samples, *texts])
    assert [secret for secret in _SECRETS if secret in everything] == []


def test_a_provider_behind_a_proxy_that_asks_for_a_password_and_for_a_certificate_itself(
    tmp_path: Path, authority: Authority, client: Issued, secured: int, provider: Provider
) -> None:
    base = f"https://localhost:{secured}/v1"
    with tinyproxy(tmp_path, _AUTHENTICATION) as proxy:
        options = (f"proxy: '{proxy.with_password}'", tls(authority, client))
        with RunningGateway(configuration([entry("m", base, *options)])) as gateway:
            provider.play(text_stream("oai"))
            streamed = [post(gateway, CHAT, ask("m", stream=True)) for _ in range(3)]
            asked = [dict(one.headers) for one in provider.requests]
            provider.play(text_reply("oai"))
            whole = post(gateway, CHAT, ask("m"))
            asked += [dict(one.headers) for one in provider.requests]
            for reply in (*streamed, whole):
                assert reply.status == 200, reply.body
            assert all(b"data: [DONE]" in reply.body for reply in streamed)
            assert whole.json()["choices"][0]["message"]["content"]
            # One tunnel, and one connection through it, for all of them.
            assert proxy.requests() == [f"CONNECT localhost:{secured} HTTP/1.1"]
            assert {one["x-connection"] for one in asked} == {asked[0]["x-connection"]}
            assert {one["x-client-name"] for one in asked} == {"CN=our-gateway"}
            assert {one["authorization"] for one in asked} == {f"Bearer {PROVIDER_KEY}"}
            assert not any("proxy-authorization" in one for one in asked)
            [attempt] = gateway.transaction(whole.request_id).attempts
            attributes = attempt.attributes or {}
            assert (attributes["server.address"], attributes["server.port"]) == ("localhost", secured)
            assert (attributes["network.peer.address"], attributes["network.peer.port"]) == ("127.0.0.1", proxy.port)
            shows_no_secret(gateway, *(str(reply.body) for reply in streamed))


@pytest.mark.parametrize(
    ("options", "is_authenticated", "words", "detail"),
    [
        ((_AUTHENTICATION,), False, "asked for other credentials (status 401)", "status 401"),
        (("ConnectPort 1",), True, "did not connect to it (status 403)", "status 403"),
        (
            ("FilterDefaultDeny Yes", 'Filter "{folder}/filter"'),
            True,
            "did not connect to it (status 403)",
            "status 403",
        ),
    ],
    ids=["password", "port", "filter"],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_what_a_proxy_refuses_is_no_refusal_of_the_providers_and_others_are_asked(
    tmp_path: Path,
    authority: Authority,
    client: Issued,
    secured: int,
    provider: Provider,
    options: tuple[str, ...],
    is_authenticated: bool,
    words: str,
    detail: str,
    stream: bool,
) -> None:
    (tmp_path / "filter").write_text("nobody.test\n")
    base = f"https://localhost:{secured}/v1"
    with tinyproxy(tmp_path, *(one.format(folder=tmp_path) for one in options)) as proxy:
        address = proxy.with_password if is_authenticated else f"http://{USER}:wrong-{PASSWORD}@127.0.0.1:{proxy.port}"
        models = [
            entry("alone", base, f"proxy: '{address}'", tls(authority, client)),
            entry("both", base, f"proxy: '{address}'", tls(authority, client), "order: 1"),
            entry("both", base, "proxy: none", tls(authority, client), "order: 2"),
        ]
        with RunningGateway(configuration(models, rest="litellm_settings: {num_retries: 1}")) as gateway:
            provider.play(text_stream("oai") if stream else text_reply("oai"))
            reply = post(gateway, CHAT, ask("alone", stream=stream))
            assert reply.status == 502
            error = reply.json()["error"]
            assert error["message"] == f"The proxy on the way to the provider {words}."
            assert provider.requests == []
            failed = gateway.transaction(reply.request_id)
            assert failed.outcome == "upstream_error"
            for attempt in failed.attempts:
                attributes = attempt.attributes or {}
                assert attributes["error.type"] == "upstream_proxy_failed"
                assert detail in str(attributes["flowspan.detail"])
                assert proxy.url in str(attributes["flowspan.detail"])
                # It is the proxy's, and no answer of the provider.
                assert "http.response.status_code" not in attributes
            assert len(failed.attempts) == 2
            saved = post(gateway, CHAT, ask("both", stream=stream))
            assert saved.status == 200, saved.body
            assert len(provider.requests) == 1
            shows_no_secret(gateway, str(reply.body))


def test_a_proxy_that_ends_under_a_stream_cuts_it_and_one_that_is_gone_fails_by_its_name(
    tmp_path: Path, authority: Authority, client: Issued, secured: int, provider: Provider
) -> None:
    base = f"https://localhost:{secured}/v1"
    with tinyproxy(tmp_path, _AUTHENTICATION) as proxy:
        options = (f"proxy: '{proxy.with_password}'", tls(authority, client))
        with RunningGateway(configuration([entry("m", base, *options)])) as gateway:
            head, first, *rest = text_stream("oai")
            provider.play([head, first, *rest[:1], Sleep(30), *rest[1:]])
            with RawClient(gateway) as raw:
                body = json.dumps(ask("m", stream=True)).encode()
                raw.head(CHAT, content_length=str(len(body)))
                raw.send(body)
                raw.read_until(b"data: ")
                proxy.process.stop()
                assert b"upstream_truncated" in raw.read_until(b"upstream_truncated")
            gone = post(gateway, CHAT, ask("m"))
            assert gone.status == 502
            assert gone.json()["error"]["message"] == "The proxy on the way to the provider could not be reached."
            [attempt] = gateway.transaction(gone.request_id).attempts
            assert (attempt.attributes or {})["error.type"] == "upstream_proxy_failed"
            shows_no_secret(gateway, str(gone.body))


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ((_AUTHENTICATION,), None),
        (("BasicAuth other word",), 401),
        (_FILTER, 403),
    ],
    ids=["well", "password", "filter"],
)
def test_a_provider_in_clear_is_asked_by_way_of_the_proxy_in_absolute_form(
    tmp_path: Path, provider: Provider, options: tuple[str, ...], status: int | None
) -> None:
    (tmp_path / "filter").write_text("nobody.test\n")
    with tinyproxy(tmp_path, *(one.format(folder=tmp_path) for one in options)) as proxy:
        models = [entry("m", f"{provider.url}/v1", f"proxy: '{proxy.with_password}'")]
        with RunningGateway(configuration(models)) as gateway:
            provider.play(text_stream("oai"))
            reply = post(gateway, CHAT, ask("m", stream=True))
            assert proxy.requests() == [f"POST {provider.url}/v1/chat/completions HTTP/1.1"]
            if status is None:
                assert reply.status == 200
                assert b"data: [DONE]" in reply.body
                assert "proxy-authorization" not in provider.received().headers
            else:
                assert reply.status == 502
                assert f"(status {status})" in reply.json()["error"]["message"]
                [attempt] = gateway.transaction(reply.request_id).attempts
                assert (attempt.attributes or {})["error.type"] == "upstream_proxy_failed"
                assert provider.requests == []
            shows_no_secret(gateway, str(reply.body))


def test_a_providers_own_403_behind_a_proxy_is_still_the_providers(tmp_path: Path, provider: Provider) -> None:
    with tinyproxy(tmp_path) as proxy:
        models = [entry("m", f"{provider.url}/v1", f"proxy: '{proxy.url}'")]
        with RunningGateway(configuration(models)) as gateway:
            provider.play(text_reply("oai"))
            assert post(gateway, CHAT, ask("m")).status == 200
            provider.play(openai_error(403, "no such account"))
            reply = post(gateway, CHAT, ask("m"))
            assert reply.status == 502
            assert "refused the gateway's credentials" in reply.json()["error"]["message"]


def test_the_variables_of_the_environment_lead_direct_models_and_those_of_litellm_by_the_same_proxy(
    tmp_path: Path, authority: Authority, server: Issued, provider: Provider
) -> None:
    address = address_in_the_network()
    if address == "127.0.0.1":
        without("this machine has no address but loopback, which is asked without a proxy")
    with (
        nginx(tmp_path, authority, server, provider.url, asks="off", address=address) as port,
        tinyproxy(tmp_path, _AUTHENTICATION) as proxy,
    ):
        base = f"https://{address}:{port}/v1"
        litellm = f"  - {{model_name: litellm, backend: litellm, litellm_params: {entry('', base).partition(': ')[2]}}}"
        text = configuration([entry("direct", base)], rest=f"{litellm}\nlitellm_settings: {{num_retries: 0}}")
        variables = {"HTTPS_PROXY": proxy.with_password, "SSL_CERT_FILE": str(authority.certificate), "NO_PROXY": ""}
        provider.play(text_reply("oai"))
        with Served(tmp_path, text, variables=variables) as served:
            for model in ("direct", "litellm"):
                before = len(proxy.requests())
                reply = post(served, CHAT, ask(model), timeout=60)
                assert reply.status == 200, (model, reply.body)
                assert proxy.requests()[before:] == [f"CONNECT {address}:{port} HTTP/1.1"]
            proxy.process.stop()
            for model in ("direct", "litellm"):
                reply = post(served, CHAT, ask(model), timeout=60)
                assert reply.status == 502
                assert reply.json()["error"]["message"].startswith("The proxy on the way to the provider")
            served.send(signal.SIGTERM)
            served.send(signal.SIGTERM)
            logged = served.end()
        assert [secret for secret in _SECRETS if secret in logged] == []
        with Served(tmp_path, text, variables={**variables, "NO_PROXY": f"other.test,{address}/32"}) as served:
            assert post(served, CHAT, ask("direct"), timeout=60).status == 200


def test_the_doctor_goes_the_same_way(
    tmp_path: Path, authority: Authority, client: Issued, secured: int, provider: Provider
) -> None:
    provider.play(text_reply("oai"))
    with tinyproxy(tmp_path, _AUTHENTICATION) as proxy:
        found = {}
        for name, address in (("right", proxy.with_password), ("wrong", proxy.url)):
            file = tmp_path / f"{name}.yaml"
            options = (f"proxy: '{address}'", tls(authority, client))
            file.write_text(configuration([entry("m", f"https://localhost:{secured}/v1", *options)]))
            sections = examine(str(file), {}, asks=True)
            [found[name]] = next(one.findings for one in sections if one.title == "providers")
            assert [secret for secret in _SECRETS if secret in repr(sections)] == []
        assert found["right"].level == "good"
        assert f"by the proxy {proxy.url} (litellm_params.proxy), with a client certificate" in found["right"].text
        assert provider.received().headers["x-client-name"] == "CN=our-gateway"
        assert (found["wrong"].level, "407" in found["wrong"].text) == ("warning", True)


def test_a_reload_exchanges_the_certificate_and_no_open_stream_notices(
    tmp_path: Path, authority: Authority, secured: int, provider: Provider
) -> None:
    first, second = authority.issue("first"), authority.issue("second", ends=timedelta(days=400))
    used = Issued(tmp_path / "used.pem", tmp_path / "used.key")

    def use(certificate: Path, key: Path) -> None:
        used.certificate.write_bytes(certificate.read_bytes())
        used.key.write_bytes(key.read_bytes())

    use(first.certificate, first.key)
    text = configuration([entry("m", f"https://localhost:{secured}/v1", tls(authority, used))])
    with ReloadingGateway(tmp_path, text) as gateway:
        assert {used.certificate, used.key, authority.certificate} <= set(gateway.reloader.files())
        assert gateway.sample(_EXPIRY, deployment="m") == validity_of(first.certificate.read_text()).not_after
        pieces = list(text_stream("oai"))
        provider.play(lambda number, request: [*pieces[:2], Sleep(2), *pieces[2:]])
        with RawClient(gateway) as raw:
            body = json.dumps(ask("m", stream=True)).encode()
            raw.head(CHAT, content_length=str(len(body)), connection="close")
            raw.send(body)
            begun = raw.read_until(b"data: ")
            assert provider.received().headers["x-client-name"] == "CN=first"

            use(first.certificate, second.key)
            [problem] = gateway.refused(text)
            assert "ssl_certificate_key: does not belong to the certificate" in problem
            use(second.certificate, second.key)
            assert gateway.change(text).changed == ("deployment m: tls",)

            provider.play(text_reply("oai"))
            assert post(gateway, CHAT, ask("m")).status == 200
            assert provider.received().headers["x-client-name"] == "CN=second"
            events, is_whole = dechunked(begun + raw.read_all())
            assert is_whole
            assert events.endswith(b"data: [DONE]\n\n")
        assert gateway.change(text).changed == ()
        assert gateway.sample(_EXPIRY, deployment="m") == validity_of(second.certificate.read_text()).not_after
        gateway.change(configuration([entry("m", f"https://localhost:{secured}/v1")]))
        assert gateway.sample(_EXPIRY) == 0


def test_every_worker_takes_the_new_certificate(
    tmp_path: Path, authority: Authority, secured: int, provider: Provider
) -> None:
    first, second = authority.issue("worker-first"), authority.issue("worker-second")
    used = tmp_path / "both.pem"
    used.write_text(first.certificate.read_text() + first.key.read_text())
    options = f"ssl_verify: '{authority.certificate}', ssl_certificate: both.pem"
    text = configuration(
        [entry("m", f"https://localhost:{secured}/v1", options)], "  server: {workers: 2, lame_duck: 0}"
    )
    provider.play(text_reply("oai"))

    def names(count: int) -> set[str]:
        before = len(provider.requests)
        for _ in range(count):
            assert post(served, CHAT, ask("m"), {"connection": "close"}).status == 200
        return {one.headers["x-client-name"] for one in provider.requests[before:]}

    with Served(tmp_path, text) as served:
        assert names(12) == {"CN=worker-first"}
        used.write_text(second.certificate.read_text() + second.key.read_text())
        served.send(signal.SIGHUP)
        until(lambda: names(12) == {"CN=worker-second"}, "all workers have it", 30)
        assert names(12) == {"CN=worker-second"}


def test_openssls_server_sees_the_certificate_and_turns_away_who_has_none(
    tmp_path: Path, authority: Authority, server: Issued, client: Issued
) -> None:
    port, log = free_port(), tmp_path / "s_server.log"
    files = ("-cert", str(server.certificate), "-key", str(server.key), "-CAfile", str(authority.certificate))
    command = [
        need("openssl"),
        "s_server",
        "-accept",
        str(port),
        *files,
        "-Verify",
        "1",
        "-verify_return_error",
        "-www",
    ]
    with Process(command, log) as process:
        process.until(lambda: listens("127.0.0.1", port), "it listens")
        base = f"https://localhost:{port}/v1"
        bundle = f"ssl_verify: '{authority.certificate}'"
        models = [
            entry("ours", base, tls(authority, client), "timeout: 3"),
            entry("nobody", base, bundle),
            entry("strict", base, tls(authority, client), "ssl_minimum_version: TLSv1.3, timeout: 3"),
            entry(
                "numbers",
                f"https://127.0.0.2:{port}/v1",
                tls(authority, client),
                "ssl_server_name: localhost, timeout: 3",
            ),
        ]
        with RunningGateway(configuration(models)) as gateway:
            reply = post(gateway, CHAT, ask("nobody"))
            assert (reply.status, "could not be reached" in str(reply.body)) == (502, True)
            for model in ("ours", "strict", "numbers"):
                reply = post(gateway, CHAT, ask(model))
                # It is no provider, and has no answer; but it let the gateway in.
                [attempt] = gateway.transaction(reply.request_id).attempts
                assert (attempt.attributes or {})["error.type"] == "upstream_timeout", (model, reply.body)
        assert "CN = our-gateway" in log.read_text()
