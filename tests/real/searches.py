"""What a TraceQL or LogQL query of the dashboards would find among the spans and log records that really arrived.

Neither Tempo nor Loki is at hand, so this reads the part of their languages that the dashboards use: conditions joined
by `&&` on one span, filters joined by `|` on one line. Anything else is an error, not an empty answer.
"""

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.receivers import attributes

_KINDS = {Span.SPAN_KIND_SERVER: "server", Span.SPAN_KIND_CLIENT: "client", Span.SPAN_KIND_INTERNAL: "internal"}
_STATUSES = {0: "unset", 1: "ok", 2: "error"}
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "=~": lambda value, pattern: re.fullmatch(pattern, str(value)) is not None,
}
_CONDITION = re.compile(r'([\w.]+) (=~|!=|=|>) ("(?:[^"\\]|\\.)*"|[\w.]+)')
_FILTER = re.compile(r'(\w+)(=~|!=|=)"(.*)"')


@dataclass(frozen=True)
class Line:
    """A log record as Loki keeps it: dots of names become underscores."""

    body: str
    fields: dict[str, str]


def line_of(scope: str, record: LogRecord) -> Line:
    fields = {key.replace(".", "_"): str(value) for key, value in attributes(record.attributes).items()}
    fields |= {"service_name": "flowspan", "scope_name": scope, "severity_text": record.severity_text}
    if record.trace_id:
        fields["trace_id"] = record.trace_id.hex()
    return Line(record.body.string_value, fields)


def search_traces(query: str, spans: Iterable[Span]) -> list[Span]:
    selection = re.fullmatch(r"\{ (.*) \}(?: \| select\((.*)\))?", query)
    if selection is None:
        raise ValueError(f"not of the kind that dashboards use: {query}")
    conditions = [_condition(text) for text in selection[1].split(" && ")]
    return [span for span in spans if all(holds(span) for holds in conditions)]


def search_lines(query: str, lines: Iterable[Line]) -> list[Line]:
    stream, *filters = query.split(" | ")
    if stream != '{service_name="flowspan"}':
        raise ValueError(f"not of the kind that dashboards use: {query}")
    wanted = [_filter(text) for text in filters]
    return [line for line in lines if all(holds(line) for holds in wanted)]


def _condition(text: str) -> Callable[[Span], bool]:
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise ValueError(f"not a condition that dashboards use: {text}")
    name, compare, wanted = found[1], _OPERATORS[found[2]], _literal(found[3])
    return lambda span: any(compare(value, wanted) for value in _values(name, span))


def _values(name: str, span: Span) -> Sequence[Any]:
    """What a span has to say under a name; a list is any of its values, as in Tempo."""
    match name.partition("."):
        case ("resource", _, "service.name"):
            return ["flowspan"]
        case ("kind", "", ""):
            return [_KINDS[span.kind]]
        case ("status", "", ""):
            return [_STATUSES[span.status.code]]
        case ("name", "", ""):
            return [span.name]
        case ("duration", "", ""):
            return [(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9]
        case ("span", _, attribute):
            return _as_list(attributes(span.attributes).get(attribute))
        case ("event", _, attribute):
            return [value for event in span.events for value in _as_list(attributes(event.attributes).get(attribute))]
        case _:
            raise ValueError(f"not an attribute that dashboards use: {name}")


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _literal(text: str) -> Any:
    if text.startswith('"'):
        return text[1:-1]
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"[\d.]+s?", text):
        return float(text.removesuffix("s"))
    return text


def _filter(text: str) -> Callable[[Line], bool]:
    found = _FILTER.fullmatch(text)
    if found is None:
        raise ValueError(f"not a filter that dashboards use: {text}")
    name, compare, wanted = found[1], _OPERATORS[found[2]], found[3]
    return lambda line: compare(line.fields.get(name, ""), wanted)
