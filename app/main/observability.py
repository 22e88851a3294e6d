"""Telemetry by the settings: its options, the names that it shows, and the secrets that it hides."""

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TextIO

from opentelemetry.sdk.trace.export import SpanExporter

from app.certificates import validity_of
from app.policies import LoadedPolicy
from app.quotas.state_urls import secrets_of_state
from app.recorder.masking import Concealing
from app.recorder.store_urls import secrets_of_store
from app.settings import Deployment, Key, Settings
from telemetry import KeyIdentity, Telemetry, TelemetryOptions, Worker, setup
from telemetry.names import UNNAMED_KEY


def make_telemetry(
    settings: Settings,
    policies: Sequence[LoadedPolicy],
    *,
    log_stream: TextIO | None = None,
    span_exporter: SpanExporter | None = None,
    worker: Worker | None = None,
) -> Telemetry:
    """Telemetry for these settings. Log lines go to `log_stream`, by default to stderr; a given `span_exporter` gets
    each span as it ends, and takes the place of the exporter that the environment asks for. With `worker`
    the process is one of several, whose metrics another one sums up; raises OSError where there is no room for them."""
    return setup(
        options_of(settings),
        models=models_of(settings),
        policies=[loaded.name for loaded in policies],
        secrets=secrets_of(settings),
        log_stream=log_stream or sys.stderr,
        span_exporter=span_exporter,
        worker=worker,
    )


def options_of(settings: Settings) -> TelemetryOptions:
    """What telemetry is to record and log."""
    options = settings.telemetry
    return TelemetryOptions(
        boundary_events=options.boundary_events,
        capture_content=options.capture_content,
        content_limit=options.content_limit,
        openinference=options.openinference,
        propagate_traceparent=options.propagate_traceparent,
        spans=options.spans,
        log_level=options.log_level,
        log_format=options.log_format,
        created_timestamps=options.created_timestamps,
        semconv=options.semconv,
    )


def models_of(settings: Settings) -> list[tuple[str, str]]:
    """The names of models that metrics show, each with a provider that serves it."""
    return [(deployment.model_name, deployment.provider) for deployment in settings.deployments]


def certificate_expiries(deployments: Sequence[Deployment]) -> dict[str, float]:
    """When the client certificates expire that providers are shown, in Unix time by deployment."""
    certified = ((one.id, one.tls.certificate) for one in deployments)
    # Many deployments have one certificate in common.
    ends: dict[str, float] = {}
    return {
        deployment: ends.get(pem) or ends.setdefault(pem, validity_of(pem).not_after)
        for deployment, pem in certified
        if pem is not None
    }


def key_identities(keys: Sequence[Key]) -> list[KeyIdentity]:
    """What telemetry shows of callers, by the names of their keys. With several they may call until the last ends."""
    by_name: dict[str, list[Key]] = {}
    for key in keys:
        by_name.setdefault(key.name or UNNAMED_KEY, []).append(key)
    return [
        KeyIdentity(name, same[0].team, same[0].labels, _last_end([key.expires for key in same]))
        for name, same in by_name.items()
    ]


def _last_end(ends: Sequence[datetime | None]) -> float | None:
    """In Unix time; None where one never comes."""
    known = [end.timestamp() for end in ends if end is not None]
    return max(known) if len(known) == len(ends) else None


def concealing_of(policies: Sequence[LoadedPolicy]) -> Concealing:
    """The policies that take out of requests, and of responses, what is not to be kept."""
    some = [loaded for loaded in policies if loaded.policy.conceals]
    return Concealing(
        requests=frozenset(loaded.name for loaded in some if "on_request" in loaded.hooks),
        responses=frozenset(loaded.name for loaded in some if loaded.looks_at_responses),
    )


def secrets_of(settings: Settings) -> list[str]:
    """Every configured key and password, so that logs and spans can be scrubbed of them."""
    of_providers = (secret for one in settings.deployments for secret in one.secrets())
    found = (
        *(key.secret for key in settings.keys),
        settings.server.metrics_token,
        settings.server.tls.key_password,
        settings.console.token,
        settings.admin.key,
        *of_providers,
        *secrets_of_store(settings.recorder.store),
        *secrets_of_state(settings.quotas.store),
    )
    return list(dict.fromkeys(secret for secret in found if secret is not None))
