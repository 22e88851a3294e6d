"""Who may call."""

import pytest

from app.errors import AuthenticationFailed
from app.gateway.auth import KeyRing

RING = KeyRing(["first-key", "zweiter-schlüssel"])


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
    RING.check(headers)


def test_without_keys_pages_of_other_sites_are_kept_out() -> None:
    ring = KeyRing([])
    for origin in ("http://localhost:3000", "http://127.0.0.1", "http://[::1]:8080"):
        ring.check({"origin": origin})
    ring.check({})
    for origin in ("https://evil.example", "null", "http://localhost.evil.example", "http://[::1", ""):
        with pytest.raises(AuthenticationFailed):
            ring.check({"origin": origin})
    RING.check({"origin": "https://evil.example", "x-api-key": "first-key"})


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
        RING.check(headers)


def test_the_error_does_not_repeat_the_key() -> None:
    with pytest.raises(AuthenticationFailed) as refused:
        RING.check({"x-api-key": "sk-secret-of-somebody"})
    assert "sk-secret" not in str(refused.value)


def test_without_keys_everybody_is_let_in() -> None:
    KeyRing([]).check({})
