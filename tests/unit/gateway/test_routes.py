"""The model routes and what telemetry knows of them."""

from typing import get_args

import pytest

from app.dialects import DIALECTS
from app.errors import MethodNotAllowed
from app.gateway.routes import ROUTES, Route, find_route
from app.messages import Dialect
from telemetry.names import APIS, OPERATIONS
from telemetry.names.semconv import FETCH_RESPONSE, STORED_RESPONSE


def test_every_dialect_has_a_route_and_is_an_api_of_telemetry() -> None:
    """One that telemetry did not know would be counted as `other`."""
    assert {route.dialect.name for route in ROUTES} == set(DIALECTS) == set(get_args(Dialect)) == set(APIS)


def test_every_operation_is_known_to_telemetry() -> None:
    assert {*(dialect.operation for dialect in DIALECTS.values()), STORED_RESPONSE, FETCH_RESPONSE} == set(OPERATIONS)


def found(path: str) -> tuple[Route, dict[str, str]]:
    route = find_route(path)
    assert route is not None, path
    return route[0], dict(route[1])


def test_each_route_is_found_by_its_own_path() -> None:
    for route in ROUTES:
        assert found(route.path.replace("{response_id}", "resp_1"))[0] is route


def test_a_part_of_the_path_is_a_parameter() -> None:
    route, parameters = found("/v1/responses/resp_1/cancel")
    assert (route.path, parameters) == ("/v1/responses/{response_id}/cancel", {"response_id": "resp_1"})


@pytest.mark.parametrize(
    "path", ["/v1/responses/", "/v1/responses/a/b", "/v1/responses//cancel", "/v1/chat/completions/", "/v1/models", "/"]
)
def test_any_other_path_is_no_model_route(path: str) -> None:
    assert find_route(path) is None


def test_a_wrong_method_names_the_right_ones_and_no_id() -> None:
    with pytest.raises(MethodNotAllowed, match=r"Not allowed here: PUT /v1/responses/\{response_id\}\.") as refused:
        found("/v1/responses/secret-id")[0].check_method("PUT")
    assert refused.value.allowed == "GET, DELETE"
