"""Who may call, and what of a request's head counts."""

from typing import Any

import pytest

from app.errors import AuthenticationFailed, InvalidRequest, PermissionDenied
from app.gateway.authentication import ApiKeys, LocalCallers, callers_of, check_head, header_map

KEYS = ApiKeys(["first-key", "zweiter-schlüssel"])


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer first-key"},
        {"authorization": "bearer   first-key"},
        {"x-api-key": "first-key"},
        {"authorization": "Basic abc", "x-api-key": "first-key"},
        {"x-api-key": "zweiter-schlüssel"},
    ],
)
def test_a_known_key_is_let_in(headers: dict[str, str]) -> None:
    KEYS.check(headers)


def test_a_key_names_its_caller_without_telling_the_key() -> None:
    callers = [KEYS.check({"x-api-key": key}) for key in ("first-key", "zweiter-schlüssel", "first-key")]
    assert callers[0] == callers[2] != callers[1]
    assert callers[0] == ApiKeys(["first-key"]).check({"authorization": "Bearer first-key"})
    assert not any(key in callers[0] for key in ("first", "key"))


def test_whom_a_request_asks_is_nothing_to_who_has_a_key() -> None:
    KEYS.check({"origin": "https://evil.example", "host": "evil.example", "x-api-key": "first-key"})
    KEYS.check_probe({"host": "10.0.0.1:8080"})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer"},
        {"authorization": "first-key"},
        {"authorization": "Bearer first-key-and-more"},
        {"authorization": "Bearer wrong", "x-api-key": "first-key"},
        {"x-api-key": ""},
        {"x-api-key": "\udcff"},
    ],
)
def test_anything_else_is_not(headers: dict[str, str]) -> None:
    with pytest.raises(AuthenticationFailed):
        KEYS.check(headers)


def test_the_error_does_not_repeat_the_key() -> None:
    with pytest.raises(AuthenticationFailed) as refused:
        KEYS.check({"x-api-key": "sk-secret-of-somebody"})
    assert "sk-secret" not in str(refused.value)


def test_without_keys_everybody_on_this_machine_is_let_in() -> None:
    callers = callers_of([], ["Flowspan"])
    assert isinstance(callers, LocalCallers)
    assert callers.check({"host": "localhost:8080"}) == ""
    assert callers.check({"host": "flowspan:8080"}) == ""


def test_without_keys_pages_of_other_sites_are_kept_out_of_health_too() -> None:
    callers = callers_of([], [])
    for check in (callers.check, callers.check_probe):
        with pytest.raises(PermissionDenied, match="Host header that names another machine"):
            check({"host": "evil.example"})


def test_a_list_may_be_spread_over_several_headers_and_of_others_the_last_one_counts() -> None:
    headers = [
        (b"anthropic-beta", b"one,two"),
        (b"x-api-key", b"a"),
        (b"anthropic-beta", b"three"),
        (b"x-api-key", b"b"),
    ]
    assert header_map({"headers": headers}) == {"anthropic-beta": "one,two,three", "x-api-key": "b"}


def scope(*headers: tuple[str, str], http_version: str = "1.1") -> dict[str, Any]:
    return {"http_version": http_version, "headers": [(name.encode(), value.encode()) for name, value in headers]}


@pytest.mark.parametrize("name", ["authorization", "host", "origin", "sec-fetch-site", "x-api-key"])
def test_who_asks_and_whom_is_said_once(name: str) -> None:
    twice = scope(("host", "h"), (name, "same"), (name, "same"))
    with pytest.raises(InvalidRequest, match=f"more than one {name} header"):
        check_head(twice, header_map(twice))


def test_other_headers_may_come_twice() -> None:
    twice = scope(("host", "h"), ("anthropic-beta", "a"), ("anthropic-beta", "b"), ("x-other", "a"), ("x-other", "b"))
    check_head(twice, header_map(twice))


def test_a_request_has_to_name_its_host() -> None:
    without = scope(("x-api-key", "a"))
    with pytest.raises(InvalidRequest, match="no host header"):
        check_head(without, header_map(without))
    old = scope(("x-api-key", "a"), http_version="1.0")
    check_head(old, header_map(old))
