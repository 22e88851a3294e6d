"""What the gateway asks of a dialect, and the register of those that clients speak.

A dialect is one object, made in a package of its own, and says there what only it can say: how its requests are read,
what of them gets lost on the way to another API, what its words mean. Whoever meets a request asks the dialect of that
request (`dialect_of`) and names none, so a further dialect changes nobody else's code. `app.dialects` fills the
register.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from app.bodies.request_body import ListKind
from app.dialects.allowances import Allowance, Headers, openai_headers
from app.dialects.errors import RenderedError
from app.dialects.json_splice import Path
from app.dialects.passthrough import StreamFormatter
from app.dialects.response_edits import ResponseEdit
from app.dialects.translation.losses import no_counterpart
from app.errors import GatewayError
from app.messages import Dialect, InputMessage, ModelResponse, Native, OpaquePart, Operation, Request, ToolDefinition

LocatedMessage = tuple[str, InputMessage]
"""A message, behind its path in the body that the client sent."""
EventNames = Literal["none", "types", "needed"]
"""`types`: an event without a type has its name for it; `needed`: clients find events by their names alone."""
LISTS: Mapping[str, ListKind] = MappingProxyType(
    {
        "messages": "messages",
        "input": "inputs",
        "prompt": "inputs",
        "tools": "tools",
        "functions": "tools",
        "system": "parts",
    }
)


def numbered(messages: Iterable[InputMessage]) -> Iterator[LocatedMessage]:
    return ((f"messages[{at}]", message) for at, message in enumerate(messages))


class RequestDialect(ABC):
    """One client API: what every model route needs of it, and what others ask about its requests.

    The attributes and methods that have a default are for a dialect that is like chat completions in this point.
    """

    name: Dialect
    operation: Operation = "chat"
    provider = ""
    """Who defines the API: files that lie with a provider can be used in all of its APIs."""
    path_prefix = ""
    """Paths below it belong to this API, errors of unknown routes included."""
    key_header: str | None = None
    """Where its clients put their key, if not in `authorization`; lower-case."""
    id_prefix = ""
    """Begins the ids of its responses, by which those of other providers can be told from its own; empty if it cannot
    tell them."""
    streams_choices = False
    """Its streams are chunks of choices, as in the common form, where other APIs have events of many kinds."""
    keeps_responses = False
    """A provider of this API may keep responses, and requests may refer to earlier ones by id."""
    has_system_apart = False
    """The system prompt is a field of the body, apart from the conversation."""
    field_names: Mapping[str, str] = MappingProxyType({})
    """A field of `Request` -> what its clients call it, where that is not the name in chat completions."""
    stop_reasons: Mapping[str, str] = MappingProxyType({})
    """A stop reason that only this API has, and that `app.dialects.finish_reasons` lacks -> the nearest word there."""
    event_names: EventNames = "none"
    """Whether its events have types, which are their names, too."""
    dropped_parts: frozenset[str] = frozenset()
    """Types of opaque parts that another API can do without; every other type is content that a model was to read."""
    lists: Mapping[str, ListKind] = LISTS
    """Fields of its body that are lists -> what of the gateway's limits counts for their length."""

    @abstractmethod
    def decode_request(self, body: dict[str, Any], headers: Mapping[str, str]) -> Request:
        """The common form of a client's body; the headers have names in lower case. Raises InvalidRequest with the path
        of a field that is at fault."""

    @abstractmethod
    def encode_response(self, response: ModelResponse, request: Request) -> dict[str, Any]:
        """The body of a whole response."""

    @abstractmethod
    def render_error(self, error: GatewayError, request_id: str) -> RenderedError:
        """The HTTP response for an error before the first byte of another one."""

    def allowance_headers(self, allowances: Iterable[Allowance]) -> Headers:
        """The headers that tell a client what is left of its own limits."""
        return openai_headers(allowances)

    def is_asked(self, path: str, header_names: Iterable[str]) -> bool:
        """Whether a request on no model route probably comes from a client of this API."""
        return bool(self.path_prefix) and path.startswith(self.path_prefix)

    def conversation(self, request: Request) -> list[LocatedMessage]:
        """The messages as other APIs have them, each with its path in the body that the client sent."""
        return list(numbered(request.messages))

    def carry_over(self, request: Request, known: frozenset[str]) -> dict[str, Any]:
        """The fields of `extra` that a provider of another API, which knows those named in `known`, can be given.

        Raises InvalidRequest for a field that cannot be given, and without which the response would be one to another
        question.
        """
        return {}

    def hosted_tools(self, request: Request) -> Sequence[ToolDefinition]:
        """The tools that providers of this API run themselves, and that a provider of another one is not told of."""
        return ()

    def plain_tools(self, request: Request) -> Request:
        """The request with its tools as APIs have them that know neither groups nor a provider's own tools. Raises
        InvalidRequest where the client demands a call of a tool that is left out."""
        return request

    def openai_tools(self, request: Request) -> Request:
        """The request with `plain_tools` under names that OpenAI takes."""
        return self.plain_tools(request)

    def tool_names(self, request: Request) -> Mapping[str, str]:
        """Names that `openai_tools` gives -> the client's own, where the two differ."""
        return {}

    def reason_paths(self, body: Mapping[str, Any]) -> Sequence[Path]:
        """Where a provider's body or event says why each of its choices ended; nowhere if providers have no words of
        their own for it."""
        return ()

    def native_reason(self, reason: str) -> str:
        """Its own word for a reason to finish of any API; the reason itself where nobody knows it."""
        return reason

    def new_id(self, transaction_id: str) -> str:
        """An id for a response to which the provider gave none."""
        return f"{self.id_prefix}{transaction_id.removeprefix('txn_')}"

    def is_preamble(self, native: Native) -> bool:
        """Whether an event of which nothing is in the common form, or no more than a role, announces an answer and
        holds nothing of it yet: ids, pings, blocks that are empty. Comments have no type."""
        return True

    def custom_tool(self, raw: Mapping[str, Any]) -> dict[str, Any] | None:
        """`type`, `name`, `description` and `format` of a custom tool, flat; None if the tool is of another kind."""
        return None

    def custom_tools(self, request: Request) -> list[str]:
        """Names of the custom tools among `plain_tools`."""
        if not request.tools:
            return []
        return [tool.name for tool in request.tools if tool.raw is not None and self.custom_tool(tool.raw) is not None]

    def opaque_text(self, part: OpaquePart) -> str | None:
        """What the part says, as a text for providers of other APIs; None if it is no text."""
        return None

    def refuse_opaque(self, part: OpaquePart, path: str) -> None:
        """Raise InvalidRequest unless a provider of another API can do without the part."""
        kind = part.raw.get("type")
        # Some clients send parts of another API among their own.
        if not any(kind in dialect.dropped_parts for dialect in DIALECTS.values()):
            raise no_counterpart(path, f"a part of type {kind!r}")


class StreamingDialect(RequestDialect):
    @abstractmethod
    def edit_response(self, body: dict[str, Any], edit: ResponseEdit) -> dict[str, Any]:
        """The body of a provider of this API with what policies changed of it, all else as it came."""

    @abstractmethod
    def formatter(self, request: Request, transaction_id: str, created: int) -> StreamFormatter:
        """Make the formatter of one stream; `created` in Unix seconds."""


class ClientDialect(StreamingDialect):
    """A whole API, with its list of models, that a provider may speak, too."""

    @abstractmethod
    def encode_request(self, request: Request) -> dict[str, Any]:
        """The body for a provider that speaks this dialect. Raises InvalidRequest for what cannot be said in it."""

    @abstractmethod
    def render_models(self, names: Sequence[str], created: int, query: Mapping[str, str]) -> dict[str, Any]:
        """The list of models; `created` in Unix seconds."""

    @abstractmethod
    def render_model(self, name: str, created: int) -> dict[str, Any]:
        """One model; `created` in Unix seconds."""


DIALECTS: dict[Dialect, RequestDialect] = {}
"""By name; filled by `app.dialects`, before anything can ask."""


def register(dialect: RequestDialect) -> None:
    DIALECTS[dialect.name] = dialect


def streaming_dialects() -> dict[Dialect, StreamingDialect]:
    return {name: dialect for name, dialect in DIALECTS.items() if isinstance(dialect, StreamingDialect)}


def client_dialects() -> dict[Dialect, ClientDialect]:
    return {name: dialect for name, dialect in DIALECTS.items() if isinstance(dialect, ClientDialect)}


def dialect_of(request: Request) -> RequestDialect:
    """The dialect of the client that sent it."""
    return DIALECTS[request.dialect]


def left_out_tools(request: Request, provider: Dialect) -> list[str]:
    """Names of the client's tools of which a provider that speaks this dialect is not told; see `hosted_tools`."""
    if request.dialect == provider:
        return []
    return [tool.name for tool in dialect_of(request).hosted_tools(request)]
