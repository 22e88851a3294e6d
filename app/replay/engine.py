"""A recording once more through the gateway's real pipeline, with other policies or to another model: its request is
decoded, shown to policies and sent; the answer is read, shown to policies, formatted and sent to a client.

The gateway of a replay shares nothing with one that serves: it has telemetry, breakers and budgets of its own, whose
readings nobody sees, an event loop of its own, and leaves no line in a log. So the policies that are tried hold up no
event loop but that; who serves meanwhile calls `replay` in a thread.
"""

import asyncio
import logging
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from threading import get_ident

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from starlette.types import Scope

from app.backends import prepare
from app.backends.direct import SharedResources
from app.backends.replay import Difference, NotReplayable, ReplayBackend, Take, client_body, take_of
from app.bodies import Bodies
from app.gateway.authentication import Caller
from app.gateway.client_connection import CONNECTION
from app.gateway.exchange import Exchange
from app.gateway.request_head import KnownHead
from app.gateway.routes import UNVERSIONED, VERSION, Route, find_route
from app.lookups import Lookups
from app.loop_stalls import LoopStalls
from app.main import make_gateway, make_lasting
from app.policies import load_policies
from app.recorder.capture import Capture, EndedTransaction
from app.recorder.masking import Concealing
from app.recorder.recording import Recording
from app.replay.client import ReplayClient
from app.settings import ByteSize, RecorderSettings, RouterSettings, Settings
from telemetry import ObservabilityContext, setup
from telemetry.names import ACCESS_LOGGER, EVENT_LOGGER

_RECORDED = RecorderSettings(recording_limit=ByteSize(256 * 1024**2))
_HASTY = 0.05
"""Seconds that a replay at once waits for a client that does not read."""
_LOGGERS = ("flowspan", ACCESS_LOGGER, EVENT_LOGGER, "flowspan.breaker")
_OF_THE_BODY = frozenset({"content-length", "content-encoding", "transfer-encoding"})
"""Headers that are true of the body as it came, but not as it was recorded."""


class Replayed(Struct, frozen=True):
    recording: Recording
    """What became of the request this time, recorded as any other: what was sent to the provider after the policies,
    what the client got."""
    differences: tuple[Difference, ...] = ()
    """Where the request to the provider differs from the recorded one. The recorded answer is no answer to it."""


def replay(recording: Recording, settings: Settings, *, speed: float = 0.0, anyway: bool = False) -> Replayed:
    """Send the recorded request through the pipeline and the policies of `settings`, and give it the recorded answer:
    `speed` times as fast as it came, at 0 at once. A request that the policies make another one of is refused, unless
    `anyway`. Raises NotReplayable, and PolicyNotLoadable."""
    take = take_of(recording)
    backend = ReplayBackend([take], _shared(settings), speed=speed, anyway=anyway)
    named = _named_policies(recording, settings)
    alone = _one_deployment(settings, take, speed)
    running = _run(recording, alone, client_body(recording), speed, backend, named)
    with _no_log_lines():
        return Replayed(asyncio.run(running), backend.differences)


def replay_to(recording: Recording, settings: Settings, model: str) -> Replayed:
    """Send the recorded request to a model of `settings`, and through their policies. Raises NotReplayable, and
    PolicyNotLoadable."""
    open_to_all = replace(settings, keys=(), recorder=RecorderSettings())
    body = {**client_body(recording), "model": model}
    with _no_log_lines():
        return Replayed(
            asyncio.run(_run(recording, open_to_all, body, None, None, _named_policies(recording, settings)))
        )


def _named_policies(recording: Recording, settings: Settings) -> Container[str]:
    """The policies that the recorded caller's key names."""
    keys = [key for key in settings.keys if key.name is not None and key.name == recording.entry.key]
    return keys[0].entitlement.policies if keys else ()


class _Open:
    """Lets anybody in, without a name."""

    def admit(self, head: KnownHead, scope: Scope, obs: ObservabilityContext) -> Caller:
        return Caller()


async def _run(
    recording: Recording,
    settings: Settings,
    body: dict[str, object],
    speed: float | None,
    backend: ReplayBackend | None,
    named: Container[str],
) -> Recording:
    """`speed` is None where the answer is not the recorded one, so that the client has no reason to end it; `named` are
    the policies that are applied beside those that are to everybody's requests."""
    kept = _LastTransaction()
    telemetry = setup(span_exporter=_Nowhere())
    telemetry.record(Capture(kept, _RECORDED, secrets=(), concealing=Concealing(), gateway="replay"))
    await prepare(settings.deployments)
    policies = [
        replace(one, is_for_all=True) for one in load_policies(settings.policies) if one.is_for_all or one.name in named
    ]
    lasting = make_lasting(settings, policies, telemetry, LoopStalls())
    gateway = make_gateway(settings, policies, lasting, backend=backend)
    route, parameters = _route(recording)
    client = ReplayClient(_encoded(recording, body))
    if speed is not None:
        _behave(client, recording, speed)
    try:
        scope = _scope(recording, client)
        head = KnownHead(route, parameters, scope, gateway.proxies)
        await Exchange(gateway, head, scope, client, client.send).run(_Open())
    finally:
        gateway.bodies.close()
        await gateway.router.aclose()
        await gateway.quotas.close()
        await telemetry.aclose()
    return kept.recording()


def _shared(settings: Settings) -> SharedResources:
    bodies = Bodies(settings.server.total_body_bytes)
    return SharedResources(
        settings.router.request_timeout, settings.pipeline.event_limit, Lookups(settings.dns), bodies
    )


def _one_deployment(settings: Settings, take: Take, speed: float) -> Settings:
    """The settings with the recording for the one deployment of the model that its client asked for."""
    deployment = replace(take.deployment, model_name=str(take.asked.get("model")))
    pipeline = settings.pipeline
    if not speed:
        pipeline = replace(pipeline, put_timeout=min(pipeline.put_timeout, _HASTY))
    return replace(
        settings,
        deployments=(deployment,),
        keys=(),
        router=RouterSettings(request_timeout=settings.router.request_timeout, num_retries=0),
        pipeline=pipeline,
        recorder=RecorderSettings(),
    )


def _behave(client: ReplayClient, recording: Recording, speed: float) -> None:
    """Have the client leave, or read no further, where the recorded one did."""
    match recording.entry.outcome:
        case "client_disconnect" if recording.answer_size:
            client.leave_after(recording.answer_size)
        case "client_disconnect":
            client.leave_in(recording.entry.duration_s / speed if speed else 0.0)
        case "overflow":
            client.read_only(recording.answer_size)


def _route(recording: Recording) -> tuple[Route, dict[str, str]]:
    path = recording.entry.path
    found = find_route(VERSION + path if path.startswith(UNVERSIONED) else path)
    if found is None:
        raise NotReplayable(f"{recording.entry.transaction_id} was asked at a path that is not served here: {path}")
    return found[0], dict(found[1])


def _encoded(recording: Recording, body: dict[str, object]) -> bytes:
    """The client's body as it came, where nothing of it was replaced."""
    data = recording.request.data
    return data if body == client_body(recording) else msgspec.json.encode(body)


def _scope(recording: Recording, client: ReplayClient) -> Scope:
    headers = [
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in recording.request.headers
        if name not in _OF_THE_BODY
    ]
    path = recording.entry.path
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": recording.entry.method,
        "scheme": "http",
        "path": VERSION + path if path.startswith(UNVERSIONED) else path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": None,
        "server": None,
        "extensions": {CONNECTION: {"connection": client}},
    }


@contextmanager
def _no_log_lines() -> Iterator[None]:
    """What this thread does leaves no lines of transactions in the logs of the process."""
    here = get_ident()
    loggers = [logging.getLogger(name) for name in _LOGGERS]

    def is_elsewhere(_: logging.LogRecord) -> bool:
        return get_ident() != here

    for logger in loggers:
        logger.addFilter(is_elsewhere)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(is_elsewhere)


class _Nowhere(SpanExporter):
    """Takes the place of the exporters that the environment asks for."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


class _LastTransaction:
    """Keeps the one transaction of a replay."""

    def __init__(self) -> None:
        self._taken: EndedTransaction | None = None

    def pins(self, cause: str) -> bool:
        return False

    def offer(self, taken: EndedTransaction) -> None:
        self._taken = taken

    def recording(self) -> Recording:
        if self._taken is None:
            raise RuntimeError("the transaction of a replay has not ended")
        return self._taken.recording()
