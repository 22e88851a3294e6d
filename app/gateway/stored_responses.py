"""Asking about a response that a provider keeps: `GET`, `DELETE`, `cancel` and `input_items` of `/v1/responses/{id}`.

The call goes to the deployment that made the response, and what comes back goes to the client byte for byte: no policy
looks at it, and those that look at responses are counted as skipped. Only known fields of the query go along.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from time import time
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode

from starlette.types import Scope

from app.backends.stored import STORED, StoredCall, Tail, is_response_id
from app.dialects import DIALECTS
from app.errors import MethodNotAllowed, UnknownResponse
from app.gateway.exchange import Exchange, Work
from app.messages import Request
from app.policies.context import PolicyContext
from telemetry.names import OTHER

_PATH = re.compile(r"/v1/responses/(?P<id>[^/]+)(?P<tail>/cancel|/input_items)?")
_METHODS: dict[str, tuple[str, ...]] = {"": ("GET", "DELETE"), "/cancel": ("POST",), "/input_items": ("GET",)}
_QUERY: dict[str, frozenset[str]] = {
    "": frozenset({"include", "include_obfuscation", "starting_after", "stream"}),
    "/cancel": frozenset(),
    "/input_items": frozenset({"after", "before", "include", "limit", "order"}),
}
_HEADERS = ("openai-beta",)


@dataclass(frozen=True)
class StoredRoute:
    """`path` is the route as it is declared, the same for all ids."""

    path: str
    call: StoredCall

    def work(self, headers: dict[str, str]) -> Work:
        """Raises `MethodNotAllowed`, and `UnknownResponse` for what can be no id."""
        call = self.call
        if call.method not in (allowed := _METHODS[call.tail]):
            wrong = f"Not allowed here: {call.method} {self.path}."
            raise MethodNotAllowed(wrong, allowed=", ".join(allowed))
        if not is_response_id(call.response_id):
            raise UnknownResponse("No response has an id like this.", param="response_id")
        call = replace(call, headers={name: headers[name] for name in _HEADERS if name in headers})

        async def forward(exchange: Exchange, body: dict[str, Any]) -> None:
            await _forward(exchange, call)

        return forward


def stored_route(scope: Scope) -> StoredRoute | None:
    """None where the path is another one."""
    path = scope["path"]
    if not path.startswith("/v1/responses/") or (found := _PATH.fullmatch(path)) is None:
        return None
    tail = cast(Tail, found["tail"] or "")
    query = list(_known(scope.get("query_string", b"").decode("latin-1"), _QUERY[tail]))
    stream = not tail and scope["method"] == "GET" and dict(query).get("stream") == "true"
    call = StoredCall(scope["method"], found["id"], tail, urlencode(query), stream)
    return StoredRoute(f"/v1/responses/{{response_id}}{tail}", call)


def _known(query: str, names: frozenset[str]) -> Iterator[tuple[str, str]]:
    """SDKs write the name of a list as `include[]`."""
    return ((name, value) for name, value in parse_qsl(query) if name.removesuffix("[]") in names)


async def _forward(exchange: Exchange, call: StoredCall) -> None:
    gateway, obs = exchange.gateway, exchange.obs
    obs.describe(operation=STORED, model=OTHER, stream=call.stream, policies=())
    deployment = gateway.router.maker(call)
    obs.describe(model=deployment.model_name)
    if call.stream:
        await _stream(exchange, call, deployment.model_name)
        return
    with obs.ledger.charge("upstream"):
        body = await gateway.router.stored(call, obs)
    gateway.orchestrator.passing_by(obs)
    await exchange.reply.json_bytes(200, body)


async def _stream(exchange: Exchange, call: StoredCall, model: str) -> None:
    obs = exchange.obs
    request = Request(dialect="openai_responses", model=model, messages=(), stream=True)
    formatter = DIALECTS["openai_responses"].formatter(request, obs.transaction_id, int(time()))
    exchange.stream_with(formatter)
    await exchange.gateway.orchestrator.passing_by(obs).process_streaming_response(
        exchange.gateway.router.stored_stream(call, obs),
        formatter,
        exchange.reply,
        PolicyContext(obs.transaction_id, request),
        obs,
    )
    await exchange.reply.end()
