"""`gateway.telemetry` and `gateway.server.forwarded_allow_ips`: what can stand there."""

import pytest

from tests.unit.configuration.reading import MODEL, problems, read


def section(telemetry: str) -> str:
    return f"{MODEL}gateway:\n  telemetry:\n    {telemetry}\n"


def test_sources_and_attributes_are_taken() -> None:
    text = section(
        "{conversation_from: [header:X-Chat, fingerprint], user_from: [], attributes: {tenant: 'header:x-t'}}"
    )
    telemetry = read(text).settings.telemetry
    assert telemetry.conversation_from == ("header:X-Chat", "fingerprint")
    assert telemetry.user_from == ()
    assert telemetry.attributes == {"tenant": "header:x-t"}


@pytest.mark.parametrize(
    "header", ["Authorization", "x-api-key", "cookie", "set-cookie", "x-auth-token", "proxy-authorization"]
)
def test_headers_with_credentials_are_refused(header: str) -> None:
    [found] = problems(section(f"attributes: {{tenant: 'header:{header}'}}"))
    assert "gateway.telemetry.attributes.tenant: a header that holds a credential is recorded nowhere" in found


@pytest.mark.parametrize("field", ["messages", "input", "system.text", "prompt"])
def test_what_models_read_is_refused(field: str) -> None:
    assert (
        "what models read is recorded by capture_content alone"
        in problems(section(f"conversation_from: ['body:{field}']"))[0]
    )


@pytest.mark.parametrize(
    "source", ["x-tenant", "header:", "header:a b", "body:", "body:a..b", "body:a.b.c.d.e", "cookie:a", "header:a/b c"]
)
def test_what_is_no_source_is_refused_with_its_line(source: str) -> None:
    [found] = problems(section(f"user_from: ['{source}']"))
    assert "gateway.telemetry.user_from[0]: " in found
    assert "expected" in found


def test_a_fingerprint_is_no_user() -> None:
    assert problems(section("user_from: [fingerprint]"))


@pytest.mark.parametrize("name", ["gen_ai.agent.id", "user.name", "http.host", "flowspan.x", "session.x", "service.x"])
def test_names_of_the_conventions_are_refused(name: str) -> None:
    assert "names that begin like this" in problems(section(f"attributes: {{{name}: 'header:x-t'}}"))[0]


@pytest.mark.parametrize("name", ["Tenant", "a b", "a..b", "a" * 41])
def test_odd_names_are_refused(name: str) -> None:
    assert "expected a name such as tenant" in problems(section(f"attributes: {{'{name}': 'header:x-t'}}"))[0]


def test_more_than_sixteen_are_refused() -> None:
    many = ", ".join(f"a{index}: 'header:x-{index}'" for index in range(17))
    assert "at most 16 attributes; these are 17" in problems(section(f"attributes: {{{many}}}"))[0]


def test_what_is_no_proxy_is_refused_with_its_line() -> None:
    [found] = problems(f"{MODEL}gateway:\n  server:\n    forwarded_allow_ips: [10.0.0.0/8, proxy.example]\n")
    assert "gateway.server.forwarded_allow_ips[1]: expected an address" in found
