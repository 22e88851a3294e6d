"""Responses that a provider keeps: what may be asked about one, and which deployment made it.

Ids are learnt from answers, for this process and within a bound, with the caller who got them. After a restart, or at
another instance, an id is unknown. It can still be asked about if only one account with a provider can have made it,
and if there is only one caller, or callers share their responses.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from msgspec.structs import replace

from app.addresses import base_of
from app.backends.model_names import is_wildcard
from app.dialects import dialect_of
from app.dialects.openai_chat import encode_request
from app.errors import InvalidRequest
from app.messages import Batch, ClientCredential, Received, Request
from app.settings import Deployment
from app.stages import Source
from telemetry import Attempt
from telemetry.names.semconv import FETCH_RESPONSE, STORED_RESPONSE

_KNOWN_RESPONSES = 50_000
"""The most ids that are remembered, at about 200 bytes each."""
_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.:=~-]{0,255}")

Tail = Literal["", "/cancel", "/input_items"]


@dataclass(frozen=True)
class StoredCall:
    """A request about a kept response. `tail` follows the id in the path; `query` is encoded."""

    method: str
    response_id: str
    tail: Tail = ""
    query: str = ""
    stream: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    caller: str = ""
    """Who asks, as in `Request.caller`."""
    credential: ClientCredential | None = None

    @property
    def operation(self) -> str:
        """The name of the operation in telemetry."""
        return FETCH_RESPONSE if self.method == "GET" and not self.tail else STORED_RESPONSE


@runtime_checkable
class StoredResponseBackend(Protocol):
    """A backend whose provider keeps responses. It raises the errors that a `Backend` does."""

    async def stored(self, call: StoredCall, attempt: Attempt) -> bytes:
        """The provider's answer about a response, byte for byte: JSON, or nothing for one that it has deleted."""

    def stored_stream(self, call: StoredCall, attempt: Attempt) -> Source[Received]:
        """The events of a response that is under way, or that was streamed."""


def is_response_id(text: str) -> bool:
    """Whether a text can be put into the path of a URL and be nothing but one segment of it."""
    return _ID.fullmatch(text) is not None


class ResponseOrigin(NamedTuple):
    """Who made a response: the deployment as it was then, and the caller who got it."""

    deployment: Deployment
    caller: str


class ResponseIds:
    """The ids of responses that are known, `limit` at most, with their origin. One per process."""

    def __init__(self, limit: int = _KNOWN_RESPONSES) -> None:
        self._origins: dict[str, ResponseOrigin] = {}
        self._ids: dict[str, OrderedDict[str, None]] = {}
        """Each caller's ids, the oldest first."""
        self._limit = limit

    def get(self, id: str) -> ResponseOrigin | None:
        return self._origins.get(id)

    def remember(self, id: str, origin: ResponseOrigin) -> None:
        """Remember an id. Beyond the limit the caller with the most ids loses the oldest, so no caller can push out
        another's."""
        self._drop(id)
        self._origins[id] = origin
        self._ids.setdefault(origin.caller, OrderedDict())[id] = None
        if len(self._origins) > self._limit:
            most = max(self._ids.values(), key=len)
            self._drop(next(iter(most)))

    def forget(self, id: str) -> None:
        """Forget an id, if it is known."""
        self._drop(id)

    def _drop(self, id: str) -> None:
        if (origin := self._origins.pop(id, None)) is not None:
            ids = self._ids[origin.caller]
            del ids[id]
            if not ids:
                del self._ids[origin.caller]


class StoredResponses:
    """Which deployment of a configuration made which response, for which caller. `shared`: callers may ask about each
    other's responses, and about unknown ones; otherwise an id of another caller's is treated like an unknown one.

    A response that was made before a reload is asked about by the deployment that has its maker's id now, or else by
    any that has its maker's account.
    """

    def __init__(
        self, deployments: Sequence[Deployment], known: ResponseIds | None = None, *, shared: bool = True
    ) -> None:
        self._able = [one for one in deployments if one.responses != "none"]
        self._by_id = {one.id: one for one in deployments}
        self._known = known or ResponseIds()
        self._shared = shared

    def learn(self, request: Request, answers: Batch, deployment: Deployment) -> None:
        """Remember whose a response is; `answers` are the first chunks of a stream, or a whole one, of `deployment`."""
        if not dialect_of(request).keeps_responses:
            return
        ids = (answer.chunk.id for answer in answers if answer.native and answer.native.dialect == request.dialect)
        origin = ResponseOrigin(deployment, request.caller)
        for id in (next(filter(None, ids), ""), _conversation(request)):
            if id:
                self._remember(id, origin)

    def forget(self, response_id: str) -> None:
        """The response was deleted."""
        self._known.forget(response_id)

    def origin(self, response_id: str, caller: str) -> Deployment | None:
        """The deployment to be asked about a response; None if nobody knows, or if it is another caller's."""
        return self._of(response_id, caller, self._able)

    def suited(self, pool: Sequence[Deployment], request: Request) -> Sequence[Deployment]:
        """The deployments that can do what a request asks for, as far as is known: none if nobody knows the earlier
        response that it follows, or not as this caller's; all if none is better than the others."""
        if not dialect_of(request).keeps_responses:
            return pool
        able = [one for one in pool if one.responses != "none"]
        previous, conversation = request.extra.get("previous_response_id"), _conversation(request)
        if able and previous is not None:
            return _of_account(able, self._of(str(previous), request.caller, able))
        if able and self._known.get(conversation) is not None:
            return _of_account(able, self._of(conversation, request.caller, able))
        return able if able and len(able) < len(pool) and not _is_translatable(request) else pool

    def _of(self, id: str, caller: str, able: Sequence[Deployment]) -> Deployment | None:
        origin = self._known.get(id)
        if origin is not None and (self._shared or origin.caller == caller):
            return self._now(origin.deployment)
        return _only_account(able) if origin is None and self._shared else None

    def _now(self, deployment: Deployment) -> Deployment | None:
        """The deployment to be asked in place of one that has made a response: itself, unless a reload changed it."""
        now = self._by_id.get(deployment.id)
        if now is deployment:
            return now
        if now is None or _account(now) != _account(deployment):
            now = next((one for one in self._able if _account(one) == _account(deployment)), now)
        if now is None or now.id != deployment.id or not is_wildcard(now.model_name):
            return now
        one = deployment
        return replace(now, model=one.model, backend=one.backend, responses=one.responses, cost=one.cost)

    def _remember(self, id: str, origin: ResponseOrigin) -> None:
        known = self._known.get(id)
        if known is None or known.caller == origin.caller or self._shared:
            # Otherwise it is a conversation's, which belongs to the caller who was first seen to use it.
            self._known.remember(id, origin)


def _conversation(request: Request) -> str:
    """The id of the provider's conversation that a request belongs to. The first caller that is known to have used one
    has it alone: who began it is not known here."""
    conversation = request.extra.get("conversation")
    id = conversation.get("id") if isinstance(conversation, dict) else conversation
    return id if isinstance(id, str) and is_response_id(id) else ""


def _of_account(pool: Sequence[Deployment], origin: Deployment | None) -> Sequence[Deployment]:
    return [one for one in pool if origin is not None and _account(one) == _account(origin)]


def _only_account(deployments: Iterable[Deployment]) -> Deployment | None:
    accounts = {_account(one): one for one in deployments}
    return next(iter(accounts.values())) if len(accounts) == 1 else None


def _account(deployment: Deployment) -> tuple[Any, ...]:
    """A provider keeps responses for one key at one address: these, as a value to compare."""
    params = deployment.params
    return deployment.provider, base_of(params), *(params.get(name) for name in ("api_key", "organization", "project"))


def _is_translatable(request: Request) -> bool:
    try:
        encode_request(request)
    except InvalidRequest:
        return False
    return True
