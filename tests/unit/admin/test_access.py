"""Who may act, by the head of a request."""

import pytest

from app.admin.access import Access
from app.edge.unix_sockets import PeerCredentials
from tests.unit.telemetry.fakes import ManualClock

KEY = "admin-key-0123456789"
HOST = ("host", "127.0.0.1:4002")
RIGHT, WRONG = ("authorization", f"Bearer {KEY}"), ("authorization", "Bearer something-else-000")


def status(access: Access, *headers: tuple[str, str], address: str = "10.0.0.1") -> int | None:
    denied = access.denial(headers, address, None)
    return None if denied is None else denied.status


def test_whoever_has_the_key_may() -> None:
    assert status(Access(KEY), HOST, RIGHT) is None
    assert status(Access(KEY), HOST, ("authorization", f"bearer  {KEY} ")) is None


@pytest.mark.parametrize(
    "header",
    [
        ("accept", "*/*"),
        WRONG,
        ("authorization", "Bearer"),
        ("authorization", f"Basic {KEY}"),
        ("x-api-key", KEY),
        ("authorization", "Bearer schl\xfcssel"),
    ],
)
def test_nobody_else_may(header: tuple[str, str]) -> None:
    assert status(Access(KEY), HOST, header) == 401
    assert status(Access(None), HOST, header) == 401


def test_no_web_page_may_even_with_the_key() -> None:
    for header in (("origin", "http://127.0.0.1:4002"), ("sec-fetch-site", "same-site")):
        assert status(Access(KEY), HOST, RIGHT, header) == 403
    peer = PeerCredentials(1, 2, 3)
    denied = Access(None).denial((("origin", "null"),), "", peer)
    assert denied is not None
    assert denied.status == 403


def test_a_head_that_two_readers_could_read_differently_is_refused() -> None:
    assert status(Access(KEY), HOST, WRONG, RIGHT) == 400
    assert status(Access(KEY), HOST, HOST, RIGHT) == 400
    assert status(Access(KEY), RIGHT) == 400
    assert status(Access(KEY), ("host", "a b"), RIGHT) == 400


def test_who_may_open_the_socket_needs_no_key() -> None:
    for access in (Access(None), Access(KEY)):
        assert access.denial((), "", PeerCredentials(1, 2, 3)) is None


def test_after_too_many_wrong_keys_of_one_address_none_of_its_is_looked_at_for_a_while() -> None:
    clock = ManualClock(0)
    access = Access(KEY, clock)
    assert {status(access, HOST, WRONG) for _ in range(10)} == {401}
    clock.advance(20)
    denied = access.denial((HOST, RIGHT), "10.0.0.1", None)
    assert denied is not None
    assert (denied.status, denied.retry_after) == (429, 40)
    assert status(access, HOST, RIGHT, address="10.0.0.2") is None
    clock.advance(40)
    assert status(access, HOST, RIGHT) is None


def test_requests_without_a_key_shut_nobody_out_and_do_not_fill_the_log() -> None:
    access = Access(KEY, ManualClock(0))
    denials = [access.denial((HOST,), "10.0.0.1", None) for _ in range(30)]
    assert sum(denied is not None and denied.is_logged for denied in denials) == 10
    assert status(access, HOST, RIGHT) is None


def test_so_many_addresses_are_remembered_and_no_more() -> None:
    access = Access(KEY, ManualClock(0))
    for _ in range(10):
        status(access, HOST, WRONG, address="10.0.0.1")
    for number in range(1100):
        status(access, HOST, WRONG, address=f"10.1.{number // 256}.{number % 256}")
    assert status(access, HOST, RIGHT) is None
