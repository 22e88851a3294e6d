"""`gateway.telemetry`: where ids and further attributes of a request may be taken from."""

import re
from collections.abc import Callable
from functools import partial

from app.configuration.problems import Report
from app.conversion import Path
from app.request_ids import BadSource, Conversations, parse_conversation_source, parse_source
from app.settings import TelemetrySettings
from telemetry.names.spans import ATTRIBUTES

_PATH: Path = ("gateway", "telemetry")
_MOST = 16
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}(?:\.[a-z][a-z0-9_]{0,39}){0,3}")
_RESERVED = frozenset(name.partition(".")[0] for name in ATTRIBUTES) | {"openinference", "otel", "service", "telemetry"}
"""First parts of names that belong to the conventions or to the gateway itself."""


def check_request_ids(settings: TelemetrySettings, report: Report) -> None:
    """Report what is no source of an id, and attributes that are too many or would hide another one."""
    of_conversations = partial(parse_conversation_source, conversations=Conversations())
    for index, source in enumerate(settings.conversation_from):
        _check(source, of_conversations, (*_PATH, "conversation_from", index), report)
    for index, source in enumerate(settings.user_from):
        _check(source, parse_source, (*_PATH, "user_from", index), report)
    if len(settings.attributes) > _MOST:
        report.problem((*_PATH, "attributes"), f"at most {_MOST} attributes; these are {len(settings.attributes)}")
    for name, source in settings.attributes.items():
        path = (*_PATH, "attributes", name)
        if not _NAME.fullmatch(name):
            report.problem(
                path, "expected a name such as tenant or acme.tenant: words in lower case, dots between them"
            )
        elif name.partition(".")[0] in _RESERVED:
            report.problem(path, "names that begin like this are the gateway's or those of OpenTelemetry's conventions")
        _check(source, parse_source, path, report)


def _check(source: str, parse: Callable[[str], object], path: Path, report: Report) -> None:
    try:
        parse(source)
    except BadSource as error:
        report.problem(path, str(error))
