"""What goes out as the head of a request, and what a response's head says of its body."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.http_client import InvalidAddress, InvalidHeader, MalformedResponse, resource_of
from app.http_client.heads import Framing, framing_of, request_head


@pytest.mark.parametrize(
    ("url", "origin", "host", "target"),
    [
        ("http://a.example/v1/x", "http://a.example", "a.example", "/v1/x"),
        ("https://A.example", "https://a.example", "a.example", "/"),
        ("https://a.example:443/x?q=1", "https://a.example", "a.example", "/x?q=1"),
        ("https://a.example:8443/x", "https://a.example:8443", "a.example:8443", "/x"),
        ("http://[::1]:80/x", "http://[::1]", "[::1]", "/x"),
        ("http://[::1]:81/x", "http://[::1]:81", "[::1]:81", "/x"),
        ("http://a.example/ü x?k=ü", "http://a.example", "a.example", "/%C3%BC%20x?k=%C3%BC"),
        ("http://bücher.example/x", "http://xn--bcher-kva.example", "xn--bcher-kva.example", "/x"),
        ("http://a.example/x#there", "http://a.example", "a.example", "/x"),
    ],
)
def test_an_address_is_taken_apart(url: str, origin: str, host: str, target: str) -> None:
    resource = resource_of(url)
    assert (resource.origin.url, resource.host, resource.target) == (origin, host, target)


@pytest.mark.parametrize(
    "url", ["", "/x", "a.example/x", "ftp://a.example/x", "http:///x", "http://a:x/", "http://[::1"]
)
def test_what_is_no_address_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(InvalidAddress):
        resource_of(url)


def test_a_head_has_the_length_of_its_body() -> None:
    head = request_head("POST", "a.example", "/x", {"accept": "*/*", "x-key": "ü"}, 5)
    assert head == (
        b"POST /x HTTP/1.1\r\nhost: a.example\r\naccept: */*\r\nx-key: \xc3\xbc\r\ncontent-length: 5\r\n\r\n"
    )
    assert b"content-length: 0" in request_head("POST", "a", "/", {}, 0)
    assert b"content-length: 0" in request_head("DELETE", "a", "/", {}, 0)
    assert b"content-length" not in request_head("GET", "a", "/", {}, 0)


_VALUE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=20)


@given(st.lists(_VALUE, max_size=4), st.sampled_from("\r\n\0"), st.integers(0), st.integers(0))
def test_no_value_can_end_its_line(values: list[str], evil: str, where: int, at: int) -> None:
    headers = {f"x-{index}": value for index, value in enumerate(values)}
    lines = request_head("GET", "a", "/", headers, 0).decode().removesuffix("\r\n\r\n").split("\r\n")
    assert lines[2:] == [f"{name}: {value}" for name, value in headers.items()]
    if headers:
        name = f"x-{where % len(headers)}"
        cut = at % (len(headers[name]) + 1)
        headers[name] = headers[name][:cut] + evil + headers[name][cut:]
        with pytest.raises(InvalidHeader):
            request_head("GET", "a", "/", headers, 0)


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "ü", "Host", "content-length", "Transfer-Encoding"])
def test_what_is_no_name_or_decides_the_framing_is_refused(name: str) -> None:
    with pytest.raises(InvalidHeader):
        request_head("GET", "a", "/", {name: "1"}, 0)


@pytest.mark.parametrize(
    ("method", "status", "headers", "framing"),
    [
        ("POST", 200, {"content-length": "5"}, Framing.LENGTH),
        ("POST", 200, {"content-length": "0"}, Framing.LENGTH),
        ("POST", 200, {"transfer-encoding": "chunked"}, Framing.CHUNKED),
        ("POST", 200, {"transfer-encoding": " Chunked "}, Framing.CHUNKED),
        ("POST", 200, {}, Framing.CLOSE),
        ("POST", 204, {"content-length": "5"}, Framing.NONE),
        ("GET", 304, {"content-length": "5"}, Framing.NONE),
        ("HEAD", 200, {"content-length": "5"}, Framing.NONE),
        ("CONNECT", 200, {"content-length": "5"}, Framing.NONE),
        ("CONNECT", 407, {"content-length": "5"}, Framing.LENGTH),
    ],
)
def test_how_a_body_ends(method: str, status: int, headers: dict[str, str], framing: Framing) -> None:
    assert framing_of(method, status, headers) is framing


@pytest.mark.parametrize("coding", ["gzip, chunked", "gzip", "identity", "chunked, chunked", "xchunked", ""])
def test_another_transfer_coding_is_refused(coding: str) -> None:
    with pytest.raises(MalformedResponse):
        framing_of("POST", 200, {"transfer-encoding": coding})
