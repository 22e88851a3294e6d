"""How many connections are accepted, and which client an address stands for."""

import resource

import pytest

from app.edge.listener import ConnectionSlots, client_of, most_connections


def test_slots_are_bounded_in_all_and_for_one_address() -> None:
    slots = ConnectionSlots(4, 0.5)
    for address in ("a", "a", "b"):
        assert slots.refusal(address) is None
        slots.acquire(address)
    assert slots.refusal("a") == "address"
    slots.acquire("c")
    assert slots.refusal("b") == "total"
    slots.release("a")
    assert slots.refusal("a") is None
    assert slots.taken == 3


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_the_client_that_an_address_stands_for(address: str, client: str) -> None:
    assert client_of(address) == client


def test_half_of_the_descriptors_are_left_to_providers() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert most_connections(1) == 1
    assert 1 <= most_connections(10**9) < soft / 2
