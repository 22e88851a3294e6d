"""Who may call: one check for every route, made of the head of a request before its body is read.

A key comes as `Authorization: Bearer ...` or `x-api-key: ...`; where both do, the first counts, unless there are
deployments with `credentials: client`: then one may be the key, and the other the caller's own. Keys are known by their
digests: one is found by its first bytes, whatever their number, and compared in constant time. What a caller could
learn from the time that takes is the beginning of a SHA-256, which nobody can choose. Who asks is found first, and then
whether they still may: so it is known whose key has expired.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hmac import compare_digest
from time import time

from msgspec import Struct
from starlette.types import Scope

from app.backends.model_names import ModelPatterns
from app.dialects import DIALECTS
from app.errors import AuthenticationFailed, InvalidRequest, PermissionDenied
from app.gateway.revocations import RevokedKeys
from app.messages import ClientCredential
from app.messages.credentials import ACCOUNT, AUTHORIZATION
from app.settings import Key, Limits, Team, digest_of
from telemetry.hosts import stranger
from telemetry.names import NO_KEY, UNNAMED_KEY, QuotaScope

_LISTS = frozenset({"baggage", "content-encoding", "forwarded", "openai-beta", "tracestate", "x-forwarded-for"})
"""Headers whose value may be spread over several lines."""
_KEY_HEADERS = tuple(dialect.key_header for dialect in DIALECTS.values() if dialect.key_header is not None)
_SITE_HEADERS = ("origin", "sec-fetch-site")
"""Where a page is from that asks."""
_SINGLE = frozenset({"authorization", "host", "origin", "sec-fetch-site", *_KEY_HEADERS})
"""Headers by which it is decided who may ask. Of two, a proxy before the gateway may have looked at the other."""
_NO_TEAMS: Mapping[str, Team] = {}
_PREFIX = 8
"""Bytes of a digest by which its holder is looked up, before all of it is compared."""


class BodyLimit(Struct, frozen=True):
    """Bytes of one request's body, and whose limit that is: a key's or a team's."""

    most: int
    scope: QuotaScope
    holder: str


class Caller(Struct, frozen=True):
    """Who asks, as their key says. `name` is the one in telemetry, `expires_at` in Unix time."""

    id: str = ""
    """Tells callers apart and does not reveal their keys; empty without keys."""
    name: str = NO_KEY
    team: str | None = None
    labels: Mapping[str, str] = {}
    expires_at: float = float("inf")
    digest: bytes = b""
    """That of the key, by `digest_of`."""
    models: tuple[ModelPatterns, ...] = ()
    """The models that its key may ask for, and those that its team may: one that all of these mean."""
    model_names: tuple[str, ...] = ()
    """What these are made of, for messages."""
    body_limit: BodyLimit | None = None
    """Bytes that the body of one of its requests may have, where that is less than anybody's."""
    reserves: bool = False
    """Whether tokens or dollars have to be reserved for its requests."""
    has_budget: bool = False
    policies: tuple[str, ...] = ()
    """Names of policies that are applied to its requests beside those that are to everybody's."""
    priority: int = 0
    """Who goes first where requests wait for a deployment: the greater."""


_ANYBODY, _NOBODY = Caller(), Caller(digest=bytes(32))


class ApiKeys:
    """The keys that callers may present. `clock` is the wall clock, by which they expire."""

    def __init__(
        self,
        keys: Sequence[Key],
        teams: Mapping[str, Team] = _NO_TEAMS,
        *,
        beside_credentials: bool = False,
        clock: Callable[[], float] = time,
        revoked: RevokedKeys | None = None,
    ) -> None:
        self._beside_credentials = beside_credentials
        """Callers may send a credential of their own for a provider in the other header."""
        self._clock = clock
        self._revoked = revoked or RevokedKeys()
        self._callers = {key.digest[:_PREFIX]: caller_of(key, teams) for key in keys}

    def find(self, headers: Mapping[str, str]) -> Caller:
        """Whose key it is, even if it has expired. Raises AuthenticationFailed."""
        presented = list(presented_keys(headers).values())
        if not presented:
            message = "No API key provided. Send it in `x-api-key`, or in `authorization` after the word Bearer."
            raise AuthenticationFailed(message, reason="missing")
        for key in presented if self._beside_credentials else presented[:1]:
            if (caller := self._holder(key)) is not None:
                return caller
        raise AuthenticationFailed("Incorrect API key provided.")

    def check_validity(self, caller: Caller) -> None:
        """Raise AuthenticationFailed for a caller whose key is no longer valid."""
        if self._clock() >= caller.expires_at:
            message = "The API key has expired. Ask whoever runs this gateway for another one."
            raise AuthenticationFailed(message, reason="expired")
        if caller.digest in self._revoked:
            message = "The API key has been revoked. Ask whoever runs this gateway for another one."
            raise AuthenticationFailed(message, reason="revoked")

    def credential(self, headers: Mapping[str, str]) -> ClientCredential | None:
        """What the caller sent beside its key; a key of the gateway's is no such thing, whoever's it is."""
        presented = presented_keys(headers)
        return _credential(headers, [name for name, key in presented.items() if self._holder(key) is None])

    def _holder(self, key: str) -> Caller | None:
        digest = digest_of(key)
        caller = self._callers.get(digest[:_PREFIX], _NOBODY)
        return caller if compare_digest(digest, caller.digest) else None

    def check_probe(self, headers: Mapping[str, str]) -> None:
        """Let everybody ask for the gateway's health."""


class LocalCallers:
    """Everybody on this machine, for a gateway without keys, which listens on loopback only. Pages of other sites are
    kept out, but for those of `origins`: a browser lets any of them post to this machine, at the cost of whoever pays
    for the models."""

    def __init__(self, allowed_hosts: Iterable[str], origins: Iterable[str] = ()) -> None:
        self._allowed = frozenset(host.lower() for host in allowed_hosts)
        self._origins = frozenset(origins)

    def find(self, headers: Mapping[str, str]) -> Caller:
        """Somebody without a name, as callers without a key have none. Raises PermissionDenied."""
        if headers.get("origin") in self._origins:
            headers = {name: value for name, value in headers.items() if name not in _SITE_HEADERS}
        if (reason := stranger(headers, self._allowed)) is not None:
            raise PermissionDenied(
                f"Without keys the gateway answers this machine only, and this request has a {reason}. Set a key, or "
                "name the host in gateway.server.allowed_hosts, a page's origin in gateway.server.cors_origins."
            )
        return _ANYBODY

    def check_validity(self, caller: Caller) -> None:
        """Let everybody go on: where there are no keys, none expires."""

    def credential(self, headers: Mapping[str, str]) -> ClientCredential | None:
        """What the caller sent: here no key is needed, so it is for the provider."""
        return _credential(headers, list(presented_keys(headers)))

    def check_probe(self, headers: Mapping[str, str]) -> None:
        """Let everybody on this machine ask for the gateway's health. Raises PermissionDenied."""
        self.find(headers)


Callers = ApiKeys | LocalCallers


def callers_of(
    keys: Sequence[Key],
    allowed_hosts: Iterable[str],
    origins: Iterable[str] = (),
    *,
    teams: Mapping[str, Team] = _NO_TEAMS,
    beside_credentials: bool = False,
    revoked: RevokedKeys | None = None,
) -> Callers:
    """Who may call: holders of one of `keys` but those of `revoked`, with what their `teams` allow; without keys,
    everybody on this machine, which `allowed_hosts` names, and pages of `origins`. With `beside_credentials`, a key may
    come in either of its two headers, and the caller's own credential in the other."""
    if not keys:
        return LocalCallers(allowed_hosts, origins)
    return ApiKeys(keys, teams, beside_credentials=beside_credentials, revoked=revoked)


def presented_keys(headers: Mapping[str, str]) -> dict[str, str]:
    """The keys of the `authorization` and the `x-api-key` header, by the header's name, the first that counts first."""
    scheme, _, token = headers.get(AUTHORIZATION, "").partition(" ")
    presented = {AUTHORIZATION: token.strip()} if scheme.lower() == "bearer" and token.strip() else {}
    for name in _KEY_HEADERS:
        if key := headers.get(name):
            presented[name] = key
    return presented


def _credential(headers: Mapping[str, str], names: Sequence[str]) -> ClientCredential | None:
    if AUTHORIZATION in names and ACCOUNT in headers:
        names = [*names, ACCOUNT]
    return ClientCredential({name: headers[name] for name in names}) if names else None


def caller_of(key: Key, teams: Mapping[str, Team]) -> Caller:
    """The holder of a key, with what the key and its team allow."""
    may, team = key.entitlement, teams.get(key.team or "", Team())
    name = key.name or UNNAMED_KEY
    lists = [patterns for patterns in (may.models, team.models) if patterns]
    budgets = (*may.budgets, *team.budgets)
    limits = (may.limits, team.limits)
    return Caller(
        key.caller,
        name,
        key.team,
        key.labels,
        float("inf") if key.expires is None else key.expires.timestamp(),
        key.digest,
        models=tuple(map(ModelPatterns, lists)),
        model_names=may.models or team.models,
        body_limit=min(_body_limits(name, may.limits, key.team or "", team.limits), key=_most, default=None),
        reserves=bool(budgets) or any(one.tokens_per_minute or one.request_tokens for one in limits),
        has_budget=bool(budgets),
        policies=may.policies,
        priority=may.priority,
    )


def _body_limits(key: str, limits: Limits, team: str, shared: Limits) -> Iterator[BodyLimit]:
    if limits.request_bytes is not None:
        yield BodyLimit(limits.request_bytes, "key", key)
    if shared.request_bytes is not None:
        yield BodyLimit(shared.request_bytes, "team", team)


def _most(limit: BodyLimit) -> int:
    return limit.most


def header_map(scope: Scope) -> dict[str, str]:
    """The headers under lower-case names. Of a header that comes twice the last value counts; lists are joined, and so
    are Anthropic's headers, each of which may be one: `anthropic-version` alone is known to be none."""
    lines = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    headers = dict(lines)
    if len(headers) < len(lines):
        for name in filter(_is_list, headers):
            headers[name] = ",".join(value for other, value in lines if other == name)
    return headers


def _is_list(name: str) -> bool:
    return name in _LISTS or (name.startswith("anthropic-") and name != "anthropic-version")


def check_head(scope: Scope, headers: Mapping[str, str]) -> None:
    """Raise InvalidRequest if the head leaves open who asks, or whom. `headers` is its `header_map`."""
    if len(headers) < len(scope["headers"]):
        for name in sorted(_SINGLE & headers.keys()):
            if sum(other == name.encode() for other, _ in scope["headers"]) > 1:
                raise InvalidRequest(f"The request has more than one {name} header.")
    if "host" not in headers and scope["http_version"] != "1.0":
        raise InvalidRequest("The request has no host header.")
