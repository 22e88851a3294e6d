"""Whether a request can only be from this machine."""

import pytest

from telemetry.hosts import host_name, in_url, stranger

LOCAL = {"host": "localhost:8080"}


@pytest.mark.parametrize(
    ("authority", "name"),
    [
        ("localhost", "localhost"),
        ("LocalHost:8080", "localhost"),
        ("127.0.0.1:1", "127.0.0.1"),
        ("[::1]", "::1"),
        ("[::FFFF:7f00:1]:8080", "::ffff:7f00:1"),
        ("a_b-c.example:65535", "a_b-c.example"),
        ("", None),
        ("::1", None),
        ("[::1", None),
        ("localhost:", None),
        ("localhost:8080:1", None),
        ("localhost:x", None),
        ("localhost/x", None),
        ("localhost, evil.example", None),
        ("evil@localhost", None),
        ("localhost\n", None),
        ("löcalhost", None),
        ("x" * 254, None),
    ],
)
def test_a_host_is_what_stands_before_the_port(authority: str, name: str | None) -> None:
    assert host_name(authority) == name


def test_an_address_of_ipv6_has_brackets_in_a_url() -> None:
    assert [in_url(host) for host in ("::1", "127.0.0.1", "localhost")] == ["[::1]", "127.0.0.1", "localhost"]


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1", "127.8.8.8:80", "[::1]:8080", "[::ffff:127.0.0.1]"]
)
def test_loopback_is_asked_by_its_own_names(host: str) -> None:
    assert stranger({"host": host}) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "evil-localhost",
        "127.0.0.1.nip.io",
        "10.0.0.1",
        "0.0.0.0:8080",
        "[::]:8080",
        "[::ffff:10.0.0.1]",
        "2130706433",
        "gateway",
        "",
    ],
)
def test_a_name_that_could_have_been_led_here_is_no_name_of_this_machine(host: str) -> None:
    assert stranger({"host": host}) == "Host header that names another machine"


def test_no_host_is_no_name_of_this_machine() -> None:
    assert stranger({}) is not None


def test_other_names_may_be_allowed() -> None:
    assert stranger({"host": "Gateway:8080", "origin": "http://gateway:3000"}, {"gateway"}) is None
    assert stranger({"host": "other"}, {"gateway"}) is not None


@pytest.mark.parametrize(
    "origin", ["http://localhost:3000", "http://127.0.0.1", "https://[::1]:8080", "tauri://localhost"]
)
def test_pages_of_this_machine_may_ask(origin: str) -> None:
    assert stranger({**LOCAL, "origin": origin}) is None
    assert stranger({**LOCAL, "origin": origin, "sec-fetch-site": "same-site"}) is None


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://localhost.evil.example", "http://[::1", "", "localhost", "http://"],
)
def test_pages_of_other_sites_and_those_that_hide_may_not(origin: str) -> None:
    assert stranger({**LOCAL, "origin": origin}) == "Origin header of another site"


@pytest.mark.parametrize("site", ["cross-site", "", "anything"])
@pytest.mark.parametrize("origin", [{}, {"origin": "http://localhost:3000"}], ids=str)
def test_what_a_browser_calls_another_site_is_one(site: str, origin: dict[str, str]) -> None:
    assert stranger({**LOCAL, **origin, "sec-fetch-site": site}) == "Sec-Fetch-Site header of another site"


@pytest.mark.parametrize("site", ["same-origin", "none", "same-site"])
def test_another_port_of_this_machine_and_who_types_the_address_may_ask(site: str) -> None:
    assert stranger({**LOCAL, "sec-fetch-site": site}) is None


def test_another_host_of_an_allowed_names_domain_is_of_the_same_site_and_not_ours() -> None:
    asked = {"host": "gateway.corp.example", "sec-fetch-site": "same-site"}
    assert stranger(asked, {"gateway.corp.example"}) is not None
    assert stranger({**asked, "origin": "https://wiki.corp.example"}, {"gateway.corp.example"}) is not None
    assert stranger({**asked, "origin": "https://gateway.corp.example:8443"}, {"gateway.corp.example"}) is None
