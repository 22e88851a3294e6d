"""The model routes and what telemetry knows of them."""

from typing import get_args

from app.backends.stored import STORED
from app.gateway.routes import MODEL_ROUTES
from app.messages import Dialect, operation_of
from telemetry.names import APIS, OPERATIONS


def test_every_dialect_has_a_route_and_is_an_api_of_telemetry() -> None:
    """One that telemetry did not know would be counted as `other`."""
    assert {route.dialect.name for route in MODEL_ROUTES.values()} == set(get_args(Dialect)) == set(APIS)


def test_every_operation_is_known_to_telemetry() -> None:
    assert {*map(operation_of, get_args(Dialect)), STORED} == set(OPERATIONS)
