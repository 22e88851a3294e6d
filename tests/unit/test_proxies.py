"""Whose word on a client's address and scheme is believed."""

import pytest

from app.proxies import BadProxy, TrustedProxies

PROXY, CLIENT, INVENTED = "10.0.0.1", "203.0.113.9", "198.51.100.66"
TRUSTED = TrustedProxies(["10.0.0.0/8", "::1"])


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (CLIENT, CLIENT),
        (f"{INVENTED}, {CLIENT}", CLIENT),
        (f"{INVENTED}, {CLIENT}, 10.9.9.9", CLIENT),
        (f"{CLIENT}:4711", CLIENT),
        ("[2001:db8::5]:4711", "2001:db8::5"),
        ("2001:db8::5", "2001:db8::5"),
        (f"::ffff:{CLIENT}", CLIENT),
        (f"{CLIENT}, unknown", PROXY),
        (f"{CLIENT}, unknown, 10.1.1.1", "10.1.1.1"),
        ("10.2.2.2, 10.1.1.1", "10.2.2.2"),
        ("", PROXY),
        ("," * 5000, PROXY),
    ],
)
def test_the_client_is_the_first_from_the_right_that_is_no_trusted_proxy(forwarded: str, client: str) -> None:
    assert TRUSTED.client({"x-forwarded-for": forwarded}, PROXY) == client


@pytest.mark.parametrize("peer", [CLIENT, None, "testclient"])
def test_nobody_else_is_believed(peer: str | None) -> None:
    headers = {"x-forwarded-for": INVENTED, "x-forwarded-proto": "https", "forwarded": f"for={INVENTED};proto=https"}
    assert TRUSTED.client(headers, peer) == peer
    assert TRUSTED.scheme(headers, peer, "http") == "http"


def test_the_standard_header_is_read_as_well() -> None:
    headers = {"forwarded": f'for={INVENTED};proto=http, For="[2001:db8::5]:80";by=10.0.0.7;proto=https'}
    assert TRUSTED.client(headers, PROXY) == "2001:db8::5"
    assert TRUSTED.scheme(headers, PROXY, "http") == "https"


@pytest.mark.parametrize(
    ("proto", "scheme"), [("https", "https"), ("http, HTTPS", "https"), ("gopher", "http"), ("", "http")]
)
def test_the_scheme_is_the_one_that_the_nearest_proxy_names(proto: str, scheme: str) -> None:
    assert TRUSTED.scheme({"x-forwarded-proto": proto}, "::1", "http") == scheme


def test_a_star_trusts_everybody() -> None:
    assert TrustedProxies(["*"]).client({"x-forwarded-for": f"{CLIENT}, {INVENTED}"}, "192.0.2.1") == CLIENT


@pytest.mark.parametrize("text", ["localhost", "10.0.0.1/8", "10.0.0", ""])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(BadProxy, match="expected an address"):
        TrustedProxies([text])


def test_whoever_comes_by_a_unix_socket_is_believed_where_the_operator_says_so() -> None:
    headers = {"x-forwarded-for": CLIENT, "x-forwarded-proto": "https"}
    trusting, other = TrustedProxies(["unix:"]), TrustedProxies(["127.0.0.1"])
    assert trusting.client(headers, "unix:") == CLIENT
    assert trusting.scheme(headers, "unix:", "http") == "https"
    assert trusting.client(headers, None) is None
    assert trusting.client(headers, PROXY) == PROXY
    assert trusting.client({"x-forwarded-for": "unix:"}, "unix:") is None
    assert other.client(headers, "unix:") is None
    assert TrustedProxies(["*"]).client(headers, "unix:") == CLIENT
    assert trusting.client({}, "unix:") is None


def test_many_peers_leave_the_word_of_unix_sockets_as_it_is() -> None:
    trusting = TrustedProxies(["unix:"])
    headers = {"x-forwarded-for": CLIENT}
    for number in range(1100):
        trusting.client(headers, f"10.0.{number // 256}.{number % 256}")
    assert trusting.client(headers, "unix:") == CLIENT
