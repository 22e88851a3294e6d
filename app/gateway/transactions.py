"""From an ASGI scope to an open transaction."""

from starlette.types import Scope

from telemetry.context import ObservabilityContext, Telemetry

_LISTS = frozenset({"anthropic-beta", "baggage", "openai-beta", "tracestate"})
"""Headers whose value may be spread over several lines."""


def header_map(scope: Scope) -> dict[str, str]:
    """Lower-case names; of a header that comes twice the last one counts, but for those that are lists."""
    lines = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    headers = dict(lines)
    if len(headers) < len(lines):
        for name in _LISTS & headers.keys():
            headers[name] = ",".join(value for other, value in lines if other == name)
    return headers


def open_transaction(
    telemetry: Telemetry, api: str, scope: Scope, headers: dict[str, str], route: str | None = None
) -> ObservabilityContext:
    """`route` is the path as it is declared, where it holds an id."""
    server = scope.get("server") or (None, None)
    client = scope.get("client") or (None, None)
    return telemetry.open(
        api,
        scope["method"],
        scope["path"],
        headers,
        route=route,
        scheme=scope["scheme"],
        http_version=scope["http_version"],
        server_address=server[0],
        server_port=server[1],
        client_address=client[0],
    )
