"""The work of an exchange that asks how many input tokens a request has."""

from typing import Any

from app.errors import UnknownModel
from app.gateway.exchange import Exchange
from telemetry.names import OTHER


async def count_tokens(exchange: Exchange, body: dict[str, Any]) -> None:
    gateway = exchange.gateway
    # `max_tokens` is required of a message, not of a request to count one.
    request = exchange.dialect.decode_request({"max_tokens": 1, **body}, exchange.headers)
    known = gateway.router.knows(request.model)
    exchange.obs.describe(
        operation="count_tokens", model=request.model if known else OTHER, provider=None, stream=False, policies=()
    )
    if not known:
        raise UnknownModel(f"model: {request.model}", param="model")
    await exchange.reply.json(200, {"input_tokens": await gateway.router.count_tokens(request)})
