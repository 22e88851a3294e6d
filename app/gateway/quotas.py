"""A caller's limits and budgets at work on one request.

It is admitted before its body is read, so that a flood costs next to nothing; what it may come to is reserved after the
policies have looked at it and before a provider is asked; and at its end, whatever that is, the truth takes the place
of the estimate. A limit that is in the way becomes an error that says which it is, and when it no longer is.
"""

import asyncio
from time import time

from app.backends.ceilings import Ceiling
from app.dialects import RequestDialect
from app.dialects.estimate import estimate_input_tokens
from app.errors import LimitReached, ModelNotAllowed, Overloaded, legible
from app.gateway.authentication import Caller
from app.gateway.call import Call, Gateway
from app.gateway.denials import allowances_of, error_of, whose
from app.gateway.reply import Reply
from app.messages import Request
from app.quotas import Denial, Need, Quotas, Reservation, StateUnreachable
from telemetry import ObservabilityContext

_RETRY_AFTER = 1.0
_ENDING_TIME, _ENDING_TURNS = 0.002, 10
"""Seconds, and turns of the event loop, that a stream whose last event was sent takes to end."""
_MODELS_NAMED = 8


async def admitted(quotas: Quotas, caller: str, *, spends: bool) -> Reservation | Denial:
    """Count a request of a caller with limits, before its body is read. Raises Overloaded where it cannot be
    counted."""
    try:
        admission = await quotas.admit(caller, spends=spends)
        if isinstance(admission, Denial) and admission.limit == "streams":
            await _let_others_end()
            admission = await quotas.admit(caller, spends=spends)
    except StateUnreachable as error:
        raise uncounted(error) from error
    return admission


async def reserve(gateway: Gateway, call: Call, reservation: Reservation, request: Request) -> None:
    """Reserve what a request may come to, before a provider is asked; `reservation` is the call's. Raises LimitReached,
    ModelNotAllowed where its price is not known and has to be, and Overloaded where nothing can be reserved."""
    caller, settings = call.caller, gateway.settings.quotas
    if caller.reserves:
        prompt = await gateway.bodies.work(request.size, estimate_input_tokens, request)
        ceiling = gateway.router.ceiling(request, prompt, settings.answer_tokens)
        if ceiling.unpriced is not None and caller.has_budget and settings.unpriced == "refuse":
            raise _unpriced(caller, request)
        try:
            denial = await reservation.reserve(Need(ceiling.tokens, ceiling.usd))
        except StateUnreachable as error:
            raise uncounted(error) from error
        if denial is not None:
            raise refusal(denial, ceiling, call.dialect, call.reply)
    if remaining := gateway.quotas.remaining(caller.id):
        call.reply.advise(call.dialect.allowance_headers(remaining))


def commit(reservation: Reservation, obs: ObservabilityContext) -> None:
    """End a reservation with what all attempts of the transaction have really used."""
    for one in reservation.commit(*obs.attempts.used):
        obs.quotas.passed(one.scope, one.name, one.limit, one.share, one.used, one.most)


def check_model(gateway: Gateway, caller: Caller, asked: str) -> None:
    """Raise ModelNotAllowed for a model that the caller may not ask for."""
    if not may_ask(gateway, caller, asked):
        some = ", ".join(f"`{legible(name, 80)}`" for name in caller.model_names[:_MODELS_NAMED])
        message = (
            f"{whose('key', caller.name).capitalize()} may not ask for the model `{legible(asked)}`, only for {some}."
        )
        raise ModelNotAllowed(message, detail=f"asked for {legible(asked)!r}", param="model")


def may_ask(gateway: Gateway, caller: Caller, asked: str) -> bool:
    """Whether a caller may ask for a model, by its own patterns and by those of its team."""
    if not caller.models:
        return True
    names = gateway.router.meanings(asked)
    return all(patterns.match(names) for patterns in caller.models)


async def _let_others_end() -> None:
    """A client has the last event of a stream a few turns before the stream has ended here, or in another process: one
    that asks again at once is not beyond its limit."""
    await asyncio.sleep(_ENDING_TIME)
    for _ in range(_ENDING_TURNS):
        await asyncio.sleep(0)


def refusal(denial: Denial, ceiling: Ceiling | None, dialect: RequestDialect, reply: Reply) -> LimitReached:
    """The error for a request that a limit denies; what is left of the limit goes with it, in the headers that the
    client's SDK knows. `ceiling` is what the request may come to, where that is known."""
    now = time()
    reply.advise(dialect.allowance_headers(allowances_of(denial, now)))
    return error_of(denial, now, ceiling)


def uncounted(error: StateUnreachable) -> Overloaded:
    """The error where it cannot be asked how much is used."""
    message = "How much is used of your limits cannot be asked at the moment; try again later."
    return Overloaded(message, detail=str(error), retry_after=_RETRY_AFTER)


def _unpriced(caller: Caller, request: Request) -> ModelNotAllowed:
    who, model = whose("key", caller.name).capitalize(), legible(request.model)
    message = f"{who} has a budget, and the price of the model `{model}` is not known here, so it cannot be asked for."
    return ModelNotAllowed(message, detail=f"no price is known of {model!r}", param="model")
