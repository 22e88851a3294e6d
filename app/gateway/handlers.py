"""What is done for a request on a model route: each handler takes a call and answers it by its reply.

`complete` asks a model for a message, streamed or whole, or for vectors. `count_tokens` counts the input tokens of a
request as the policies leave it. `stored_response` forwards a question about a response that a provider keeps to the
deployment that made it, and the provider's bytes to the client; no policy looks at these, and the policies that look at
responses are counted as skipped.
"""

from collections.abc import Mapping
from functools import partial
from time import time
from typing import Any
from urllib.parse import parse_qsl, urlencode

from msgspec.structs import replace

from app.backends.stored_responses import StoredCall, Tail, is_response_id
from app.bodies.json_encoding import encode
from app.dialects import RequestDialect, StreamingDialect
from app.dialects.translation.call_ids import with_unique_ids
from app.errors import UnknownResponse, UpstreamFailed
from app.gateway.call import Call, Gateway
from app.gateway.captured import prompt_of
from app.gateway.identity import learn_conversation, named_conversation, note_permitted, note_received
from app.gateway.quotas import check_model, may_ask, reserve
from app.messages import ModelResponse, Request, received_size, text_size
from app.pipeline import PolicyOrchestrator
from app.policies import PolicyContext
from app.prompt_forms import LEAST_SIZE, prompt_forms_of
from telemetry.names import OTHER
from telemetry.names.events import Event

_STORED_QUERY: dict[Tail, frozenset[str]] = {
    "": frozenset({"include", "include_obfuscation", "starting_after", "stream"}),
    "/cancel": frozenset(),
    "/input_items": frozenset({"after", "before", "include", "limit", "order"}),
}
"""The query parameters that are forwarded to the provider, by the end of the path."""
_STORED_HEADERS = ("openai-beta",)


async def complete(gateway: Gateway, call: Call) -> None:
    """Answer with a model's response, streamed if the client asked for a stream."""
    obs = call.obs
    obs.event(Event.REQUEST_RECEIVED, {})
    request, policy_ctx = await _request(gateway, call, call.dialect.operation, {})
    if call.reservation is not None:
        await reserve(gateway, call, call.reservation, request)
    obs.event(Event.REQUEST_SENT, {})
    if obs.captures:
        obs.capture(partial(prompt_of, request))
    if request.stream:
        try:
            await _stream(gateway, call.chain.orchestrator, call, request, policy_ctx)
        except UpstreamFailed as error:
            await call.chain.orchestrator.read_error(error, policy_ctx, obs)
            raise
        return
    answer = await _whole(gateway, call, request, policy_ctx)
    # A client may read slowly: nothing but the response is kept meanwhile.
    del request, policy_ctx
    call.body.drop()
    call.held.resize(len(answer))
    await call.reply.json_bytes(200, answer)


async def count_tokens(gateway: Gateway, call: Call) -> None:
    """Answer with the number of input tokens."""
    # `max_tokens` is required of a message, not of a request to count one.
    request, policy_ctx = await _request(gateway, call, "count_tokens", {"max_tokens": 1})
    try:
        # An estimate, where the provider has no route for it, counts as the provider's time, too: it stands in for it.
        with call.obs.ledger.charge("upstream"):
            tokens = await gateway.router.count_tokens(request)
    except UpstreamFailed as error:
        await call.chain.orchestrator.read_error(error, policy_ctx, call.obs)
        raise
    await call.reply.json(200, {"input_tokens": tokens})


async def stored_response(gateway: Gateway, call: Call, *, tail: Tail) -> None:
    """Answer with what the provider has of a response. `tail` is what follows its id in the path."""
    obs = call.obs
    stored = _stored_call(call, tail)
    obs.describe(operation=stored.operation, model=OTHER, stream=stored.stream, policies=())
    model = gateway.router.origin(stored).model_name
    obs.describe(model=model)
    if stored.stream:
        _skip_policies(call)
        request = Request(dialect=call.dialect.name, model=model, messages=(), caller=call.caller.id, stream=True)
        policy_ctx = PolicyContext(obs.transaction_id, request, bodies=gateway.bodies)
        await _stream(gateway, gateway.unfiltered, call, stored, policy_ctx)
        return
    with obs.ledger.charge("upstream"):
        body = await gateway.router.stored(stored, obs)
    _skip_policies(call)
    await call.reply.json_bytes(200, body)


async def _request(
    gateway: Gateway, call: Call, operation: str, defaults: Mapping[str, Any]
) -> tuple[Request, PolicyContext]:
    """The client's request as the policies leave it, with `defaults` for fields that it lacks. Raises UnknownModel, and
    the errors of `RequestBody`."""
    obs = call.obs
    body = {**defaults, **await call.body.parsed()}
    model = str(body.get("model"))
    known = gateway.router.configured_name(model)
    # Before the body is decoded: a request that is refused has a model and a stream, too. A count is never streamed.
    obs.describe(
        operation=operation,
        model=known or OTHER,
        stream=operation == call.dialect.operation and body.get("stream") is True,
        policies=call.chain.names,
        asked_model=None if known == model or not isinstance(body.get("model"), str) else model,
    )
    beginning = body if operation == "chat" else None
    note_received(gateway, call, body, beginning)
    request = await call.body.decoded(body, call.caller, call.query, call.credential)
    if known is None:
        raise gateway.router.unknown_model(request.model, partial(may_ask, gateway, call.caller))
    if call.caller.models:
        check_model(gateway, call.caller, model)
    policy_ctx = PolicyContext(obs.transaction_id, request, bodies=gateway.bodies)
    given, request = request, await call.chain.orchestrator.process_request(request, policy_ctx, obs)
    if call.chain.reads_requests:
        note_permitted(gateway, call, body, beginning, given, request)
    if operation == "chat" and given.size >= LEAST_SIZE and gateway.settings.telemetry.prompt_cache:
        prompt = await gateway.bodies.work(given.size, prompt_forms_of, given, request, named_conversation(obs))
        obs.attempts.watch(prompt)
    return request, policy_ctx


async def _stream(
    gateway: Gateway,
    orchestrator: PolicyOrchestrator,
    call: Call,
    asked: Request | StoredCall,
    policy_ctx: PolicyContext,
) -> None:
    """The pipeline is built once a provider has begun to answer; comments keep the reply alive before."""
    dialect, obs = call.dialect, call.obs
    assert isinstance(dialect, StreamingDialect), "no request of this dialect is decoded as one for a stream"
    formatter = dialect.formatter(policy_ctx.request, obs.transaction_id, int(time()))
    call.reply.stream_with(formatter)
    with orchestrator.admit(call.caller.id, obs) as admission:
        obs.ledger.enter("upstream")
        try:
            opened = await gateway.router.open(asked, obs)
        finally:
            obs.ledger.leave("upstream")
        first = opened.first[0]
        if first.limit_headers:
            call.reply.relay(first.limit_headers)
        if dialect.keeps_responses:
            learn_conversation(gateway, call, first)
        await orchestrator.process_streaming_response(opened, formatter, call.reply, admission, policy_ctx, obs)
    await call.reply.end()


async def _whole(gateway: Gateway, call: Call, request: Request, policy_ctx: PolicyContext) -> bytes:
    """The body of a response that is not streamed."""
    obs = call.obs
    try:
        obs.ledger.enter("upstream")
        try:
            response = await gateway.router.complete(request, obs)
        finally:
            obs.ledger.leave("upstream")
    except UpstreamFailed as error:
        await call.chain.orchestrator.read_error(error, policy_ctx, obs)
        raise
    if response.limit_headers:
        call.reply.relay(response.limit_headers)
    if call.dialect.keeps_responses:
        learn_conversation(gateway, call, response)
    size = received_size(response)
    call.held.resize(call.held.size + size)
    obs.recorder.chunk_in()
    if request.operation != "embeddings":
        # In vectors there is nothing that a policy could read.
        response = await call.chain.orchestrator.process_full_response(response, policy_ctx, obs)
    obs.recorder.chunk_out(response.chunk)
    if response.native is not None and response.native.dialect == call.dialect.name:
        return response.native.raw
    answer = with_unique_ids(_identified(response.chunk, call, request), request, call.obs.transaction_id)
    # Log probabilities are no text, and may be most of it.
    return await gateway.bodies.work(max(size, text_size(answer)), _encoded, call.dialect, answer, request)


def _identified(response: ModelResponse, call: Call, request: Request) -> ModelResponse:
    """The response with an id, a time and a model, which SDKs and their users rely on, where the provider gave none."""
    if response.id and response.created and response.model:
        return response
    return replace(
        response,
        id=response.id or call.dialect.new_id(call.obs.transaction_id),
        created=response.created or int(time()),
        model=response.model or request.model,
    )


def _encoded(dialect: RequestDialect, response: ModelResponse, request: Request) -> bytes:
    return encode(dialect.encode_response(response, request), text_size(response))


def _stored_call(call: Call, tail: Tail) -> StoredCall:
    """The call to the provider. Raises UnknownResponse if the path holds no possible id."""
    response_id = call.path_parameters["response_id"]
    if not is_response_id(response_id):
        raise UnknownResponse("No response has an id like this.", param="response_id")
    query = _known_query(call.query, _STORED_QUERY[tail])
    return StoredCall(
        method=call.method,
        response_id=response_id,
        tail=tail,
        query=urlencode(query),
        stream=not tail and call.method == "GET" and dict(query).get("stream") == "true",
        headers={name: call.headers[name] for name in _STORED_HEADERS if name in call.headers},
        caller=call.caller.id,
        credential=call.credential,
    )


def _known_query(query: str, names: frozenset[str]) -> list[tuple[str, str]]:
    """The parts of `query` whose name is one of `names`. SDKs write the name of a list as `include[]`."""
    return [(name, value) for name, value in parse_qsl(query) if name.removesuffix("[]") in names]


def _skip_policies(call: Call) -> None:
    for name in call.chain.response_names:
        call.obs.policy(name).skipped("content", 1)
