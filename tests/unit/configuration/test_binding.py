"""Which addresses need which keys."""

import pytest

from app.configuration import UnsafeBind, check_bind
from app.settings import ConsoleSettings, Key, ServerSettings, Settings

STRONG_KEY = Key.in_clear("sk-0123456789abc")
WEAK = ["sk-0123456789ab", "schlüssel-0123456789", "sk 0123456789abcdef", "sk-0123456789abcdef\n"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "gateway.example", "", "::ffff:10.0.0.1"])
def test_an_address_that_others_can_reach_is_refused_without_keys(host: str) -> None:
    with pytest.raises(UnsafeBind):
        check_bind(Settings(server=ServerSettings(host=host)))
    assert check_bind(Settings(server=ServerSettings(host=host), keys=(STRONG_KEY,))) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "::ffff:127.0.0.1"])
def test_loopback_without_keys_is_warned_of(host: str) -> None:
    (warning,) = check_bind(Settings(server=ServerSettings(host=host)))
    assert "no key is set" in warning


@pytest.mark.parametrize("weak", WEAK)
def test_a_weak_key_is_refused_where_others_can_try_keys_and_warned_of_elsewhere(weak: str) -> None:
    for option, settings in (
        ("host", Settings(server=ServerSettings(host="::"), keys=(STRONG_KEY, Key.in_clear(weak)))),
        (
            "metrics_host",
            Settings(server=ServerSettings(metrics_host="::", metrics_token=weak), keys=(STRONG_KEY,)),
        ),
    ):
        with pytest.raises(UnsafeBind) as refused:
            check_bind(settings)
        assert refused.value.option == option
        assert weak not in str(refused.value)
    (one, other) = check_bind(
        Settings(server=ServerSettings(metrics_token=weak), keys=(STRONG_KEY, Key.in_clear(weak)))
    )
    assert one.startswith("key 2 of 2 ")
    assert other.startswith("metrics_token ")


def test_metrics_on_a_public_address_need_no_token() -> None:
    assert check_bind(Settings(server=ServerSettings(metrics_host="0.0.0.0"), keys=(STRONG_KEY,))) == []


def test_a_console_that_others_can_reach_is_refused_without_a_token() -> None:
    with pytest.raises(UnsafeBind, match=r"set gateway\.console\.token") as refused:
        check_bind(Settings(console=ConsoleSettings(host="0.0.0.0"), keys=(STRONG_KEY,)))
    assert refused.value.option == "console_host"
    assert refused.value.path == ("gateway", "console", "host")
    with pytest.raises(UnsafeBind, match=r"console\.token is shorter"):
        check_bind(Settings(console=ConsoleSettings(host="::", token="guess"), keys=(STRONG_KEY,)))
    (weak,) = check_bind(Settings(console=ConsoleSettings(token="guess"), keys=(STRONG_KEY,)))
    assert "console.token is shorter" in weak
    for safe in (
        ConsoleSettings(host="0.0.0.0", token="token-0123456789"),
        ConsoleSettings(host="0.0.0.0", enabled=False),
    ):
        assert check_bind(Settings(console=safe, keys=(STRONG_KEY,))) == []
