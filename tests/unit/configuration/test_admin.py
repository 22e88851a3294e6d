"""The admin API's section: a key that is for something else, too, lets others act; what cannot work is refused."""

from hashlib import sha256

import pytest

from app.configuration import ConfigurationRefused, UnsafeBind, check_bind, parse
from app.settings import AdminSettings, Key, Settings

MODEL = "model_list: [{model_name: m, litellm_params: {model: simulated/echo}}]\n"
STRONG = "admin-key-0123456789"


def problems(gateway: str, top: str = "") -> list[str]:
    with pytest.raises(ConfigurationRefused) as refused:
        parse(f"{MODEL}{top}gateway:\n{gateway}", environ={})
    return [str(problem) for problem in refused.value.problems]


@pytest.mark.parametrize(
    ("gateway", "top", "whose"),
    [
        (f"  keys: [{{name: ci, key: {STRONG}}}]\n", "", "a caller's key"),
        ("", f"general_settings: {{master_key: {STRONG}}}\n", "a caller's key"),
        (f"  server: {{metrics_token: {STRONG}}}\n", "", "gateway.server.metrics_token"),
        (f"  console: {{token: {STRONG}}}\n", "", "gateway.console.token"),
    ],
)
def test_its_key_is_for_nothing_else(gateway: str, top: str, whose: str) -> None:
    (problem,) = problems(f"{gateway}  admin: {{key: {STRONG}}}\n", top)
    assert f"gateway.admin.key: is {whose}, too" in problem
    assert ":" in problem.partition("gateway.admin.key")[0]
    assert STRONG not in problem


def test_a_key_that_is_known_by_its_hash_alone_is_a_callers_all_the_same() -> None:
    hashed = f"sha256:{sha256(STRONG.encode()).hexdigest()}"
    (problem,) = problems(f"  keys: [{{name: ci, key_hash: '{hashed}'}}]\n  admin: {{key: {STRONG}}}\n")
    assert "a caller's key" in problem


def test_an_empty_key_and_a_path_that_no_socket_can_have_are_refused() -> None:
    assert "is empty" in problems("  admin: {key: ' '}\n")[0]
    assert "1 to 107 bytes" in problems(f"  admin: {{socket: /{'x' * 107}}}\n")[0]
    assert "1 to 107 bytes" in problems("  admin: {socket: ''}\n")[0]


def test_on_an_address_of_others_its_key_has_to_be_strong() -> None:
    keys = (Key.in_clear("sk-0123456789abc"),)
    with pytest.raises(UnsafeBind, match=r"admin\.key is shorter") as refused:
        check_bind(Settings(keys=keys, admin=AdminSettings(host="0.0.0.0", key="guess")))
    assert refused.value.path == ("gateway", "admin", "host")
    assert check_bind(Settings(keys=keys, admin=AdminSettings(host="0.0.0.0", key=STRONG))) == []
    (warning,) = check_bind(Settings(keys=keys, admin=AdminSettings(key="guess")))
    assert "admin.key is shorter" in warning
    assert check_bind(Settings(keys=keys, admin=AdminSettings(host="0.0.0.0", key="guess", socket="s"))) == []


def test_it_is_served_with_a_key_or_a_socket_only() -> None:
    assert [
        AdminSettings().is_served,
        AdminSettings(audit_log="a").is_served,
        AdminSettings(key=STRONG).is_served,
        AdminSettings(socket="s").is_served,
    ] == [False, False, True, True]
