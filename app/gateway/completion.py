"""The work of an exchange that asks a model for an answer: one that is spoken, streamed or whole, or vectors."""

from functools import partial
from time import time
from typing import Any

from msgspec.structs import replace

from app.dialects import STREAMING
from app.errors import UnknownModel
from app.gateway.exchange import Exchange
from app.messages import Request, operation_of
from app.policies.context import PolicyContext
from telemetry.names import OTHER


async def complete(exchange: Exchange, body: dict[str, Any]) -> None:
    gateway, obs = exchange.gateway, exchange.obs
    obs.recorder.request_received(lambda: body)
    asked, known = body.get("model"), gateway.router.knows(str(body.get("model")))
    # Before the body is decoded: a request that is refused has a model and a stream, too.
    obs.describe(
        operation=operation_of(exchange.dialect.name),
        model=str(asked) if known else OTHER,
        stream=body.get("stream") is True,
        policies=gateway.policy_names,
    )
    request = exchange.dialect.decode_request(body, exchange.headers)
    if not known:
        raise UnknownModel(f"The model `{request.model[:200]}` does not exist here.", param="model")
    if request.operation != "chat":
        request = replace(request, raw=exchange.body)
    policy_ctx = PolicyContext(obs.transaction_id, request)
    policy_ctx.request = request = await gateway.orchestrator.process_request(request, policy_ctx, obs)
    obs.recorder.request_sent(partial(replace, request, native=None, raw=None))
    if request.stream:
        await _stream(exchange, request, policy_ctx)
    else:
        await _whole(exchange, request, policy_ctx)


async def _stream(exchange: Exchange, request: Request, policy_ctx: PolicyContext) -> None:
    formatter = STREAMING[request.dialect].formatter(request, exchange.obs.transaction_id, int(time()))
    exchange.stream_with(formatter)
    await exchange.gateway.orchestrator.process_streaming_response(
        exchange.gateway.router.stream(request, exchange.obs),
        formatter,
        exchange.reply,
        policy_ctx,
        exchange.obs,
    )
    await exchange.reply.end()


async def _whole(exchange: Exchange, request: Request, policy_ctx: PolicyContext) -> None:
    obs = exchange.obs
    with obs.ledger.charge("upstream"):
        response = await exchange.gateway.router.complete(request, obs)
    obs.recorder.chunk_in(response)
    if request.operation != "embeddings":
        # In vectors there is nothing that a policy could read.
        response = await exchange.gateway.orchestrator.process_full_response(response, policy_ctx, obs)
    obs.recorder.chunk_out(response)
    if response.native is not None and response.native.dialect == exchange.dialect.name:
        await exchange.reply.json_bytes(200, response.native.raw)
    else:
        await exchange.reply.json(200, exchange.dialect.encode_response(response, request))
