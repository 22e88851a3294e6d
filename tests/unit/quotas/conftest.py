"""The engine is asked from an event loop; anyio, which Starlette brings, runs a test in one."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
