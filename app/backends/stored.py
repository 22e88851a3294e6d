"""Responses that a provider keeps: what may be asked about one, and which deployment made it.

Ids are learnt from answers, for this process and within a bound. Of an id that nobody knows (after a restart) there may
still be only one account with a provider that can have made it.
"""

import re
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from app.dialects.openai_chat import encode_request
from app.errors import InvalidRequest
from app.messages import Batch, ModelResponse, Request
from app.settings import Deployment
from telemetry.context import Attempt

STORED = "stored_response"
"""The operation, in telemetry."""
KNOWN_RESPONSES = 50_000
"""Ids, each about 200 bytes with what it stands for."""
_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.:=~-]{0,255}")

Tail = Literal["", "/cancel", "/input_items"]


@dataclass(frozen=True)
class StoredCall:
    """`tail` is what follows the id in the path, `query` is encoded."""

    method: str
    response_id: str
    tail: Tail = ""
    query: str = ""
    stream: bool = False
    headers: dict[str, str] = field(default_factory=dict)


@runtime_checkable
class Keeper(Protocol):
    """A backend whose provider keeps responses; errors as a `Backend`'s."""

    async def stored(self, call: StoredCall, attempt: Attempt) -> bytes:
        """What the provider says of a response, byte for byte: JSON, or nothing of one that it has deleted."""

    def stored_stream(self, call: StoredCall, attempt: Attempt) -> AsyncGenerator[Batch, None]:
        """The events of a response that is being made, or was made as a stream."""


def is_response_id(text: str) -> bool:
    """Whether it can be a part of an address and stay one."""
    return _ID.fullmatch(text) is not None


class StoredResponses:
    """Who made which response."""

    def __init__(self, deployments: Sequence[Deployment], limit: int = KNOWN_RESPONSES) -> None:
        self._able = [one for one in deployments if one.responses != "none"]
        self._makers: OrderedDict[str, Deployment] = OrderedDict()
        self._limit = limit

    def learn(self, answers: Sequence[ModelResponse], deployment: Deployment) -> None:
        """From the first chunks of a stream, or from a whole answer, that `deployment` gave."""
        ids = (answer.id for answer in answers if answer.native and answer.native.dialect == "openai_responses")
        if not (response_id := next(filter(None, ids), "")):
            return
        self._makers[response_id] = deployment
        self._makers.move_to_end(response_id)
        if len(self._makers) > self._limit:
            self._makers.popitem(last=False)

    def forget(self, response_id: str) -> None:
        self._makers.pop(response_id, None)

    def maker(self, response_id: str) -> Deployment | None:
        """The one to be asked about it; None if it cannot be told."""
        known = self._makers.get(response_id)
        return known or _only_account(self._able)

    def suited(self, pool: Sequence[Deployment], request: Request) -> Sequence[Deployment]:
        """Those that can do what is asked, as far as that can be told; none if nobody knows the earlier response that
        it follows, all if none is better than the others."""
        if request.dialect != "openai_responses":
            return pool
        able = [one for one in pool if one.responses != "none"]
        previous = request.extra.get("previous_response_id")
        if able and previous is not None:
            maker = self._makers.get(str(previous)) or _only_account(able)
            return [one for one in able if maker is not None and _account(one) == _account(maker)]
        return able if able and len(able) < len(pool) and not _is_translatable(request) else pool


def _only_account(deployments: Iterable[Deployment]) -> Deployment | None:
    accounts = {_account(one): one for one in deployments}
    return next(iter(accounts.values())) if len(accounts) == 1 else None


def _account(deployment: Deployment) -> tuple[Any, ...]:
    """What is kept at a provider is kept for one key at one address."""
    params = deployment.params
    base = params.get("api_base") or params.get("base_url")
    return deployment.provider, base, *(params.get(name) for name in ("api_key", "organization", "project"))


def _is_translatable(request: Request) -> bool:
    try:
        encode_request(request)
    except InvalidRequest:
        return False
    return True
