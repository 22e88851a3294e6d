"""What many of these tests stand before; each module's gateway is its own."""

from collections.abc import Iterator

import pytest

from tests.behaviour.canary import Canary
from tests.behaviour.provider import Provider


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.fixture(scope="module")
def canary() -> Iterator[Canary]:
    listener = Canary()
    yield listener
    listener.close()
