"""The provider behind these processes, one for a module, as in tests/behaviour."""

from tests.behaviour.conftest import provider

__all__ = ["provider"]
