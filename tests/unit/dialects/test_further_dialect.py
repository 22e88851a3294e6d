"""A dialect that nobody else knows: it comes in by the register, and every provider and client is served.

It also holds the other half: no module names a dialect but its own package, the register, and what speaks it.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest

from app.dialects import DIALECTS, RequestDialect, client_dialects, dialect_of, register, streaming_dialects
from app.dialects.errors import RenderedError
from app.dialects.translation.losses import Disposition, refuse_losses
from app.dialects.translation.tool_names import function_names, shortened, with_short_names
from app.errors import GatewayError, InvalidRequest
from app.messages import (
    Choice,
    Dialect,
    InputMessage,
    Message,
    ModelResponse,
    OpaquePart,
    Received,
    Request,
    TextPart,
    ToolDefinition,
)
from tests.unit.dialects.samples import request

_APP = Path(__file__).parents[3] / "app"
_NAME: Any = "letters"
_LOSSES: Mapping[str, Disposition] = {"seal": "dropped", "courier": "refused"}
_LONG_NAME = "a.tool/" + 12 * "with-a-long-name-"


class Letters(RequestDialect):
    """Letters with paragraphs, as a client of no known API might send them."""

    name = _NAME
    provider = "post office"
    path_prefix = "/v1/letters"
    id_prefix = "letter_"
    field_names: Mapping[str, str] = {"stop": "closing"}
    stop_reasons: Mapping[str, str] = {"paper_ran_out": "length"}
    dropped_parts = frozenset({"stamp"})
    openai_tools = staticmethod(with_short_names)

    def decode_request(self, body: dict[str, Any], headers: Mapping[str, str]) -> Request:
        parts = [TextPart(one) if isinstance(one, str) else OpaquePart(_NAME, one) for one in body["paragraphs"]]
        tools = tuple([ToolDefinition(name) for name in body.get("tools", ())])
        extra = {name: value for name, value in body.items() if name in _LOSSES}
        stop = tuple(body.get("closing", ()))
        message = InputMessage("user", tuple(parts))
        return Request(dialect=_NAME, model="m", messages=(message,), max_tokens=9, tools=tools, stop=stop, extra=extra)

    def encode_response(self, response: ModelResponse, request: Request) -> dict[str, Any]:
        return {"letter": response.id}

    def render_error(self, error: GatewayError, request_id: str) -> RenderedError:
        return RenderedError(error.status, {"returned": error.message}, {})

    def conversation(self, request: Request) -> list[tuple[str, InputMessage]]:
        return [(f"paragraphs[{at}]", message) for at, message in enumerate(request.messages)]

    def carry_over(self, request: Request, known: frozenset[str]) -> dict[str, Any]:
        refuse_losses(request.extra, _LOSSES)
        return {}

    def tool_names(self, request: Request) -> Mapping[str, str]:
        return shortened(function_names(request))


@pytest.fixture(autouse=True)
def letters() -> Iterator[Letters]:
    dialect = Letters()
    register(dialect)
    yield dialect
    del DIALECTS[dialect.name]


def _sent(letters: Letters, **body: Any) -> dict[str, dict[str, Any]]:
    """What a provider of each known API gets."""
    asked = letters.decode_request({"paragraphs": ["Dear model,"], **body}, {})
    return {name: dialect.encode_request(asked) for name, dialect in client_dialects().items()}


def test_its_requests_reach_providers_of_every_known_api(letters: Letters) -> None:
    sent = _sent(letters, seal="red")
    assert len(sent) == 3
    assert all("Dear model," in str(body) and "red" not in str(body) for body in sent.values())


def test_what_it_says_is_lost_is_refused_for_every_known_api(letters: Letters) -> None:
    asked = letters.decode_request({"paragraphs": ["a"], "courier": "fast"}, {})
    for dialect in client_dialects().values():
        with pytest.raises(InvalidRequest, match=r"^courier: "):
            dialect.encode_request(asked)


def test_opaque_parts_are_dropped_or_refused_as_it_says(letters: Letters) -> None:
    sent = _sent(letters, paragraphs=["Dear model,", {"type": "stamp", "value": "1d"}])
    assert not any("1d" in str(body) for body in sent.values())
    asked = letters.decode_request({"paragraphs": [{"type": "photograph"}]}, {})
    for dialect in client_dialects().values():
        with pytest.raises(InvalidRequest, match=r"paragraphs\[0\].*'photograph'"):
            dialect.encode_request(asked)


def test_its_tools_have_names_that_openai_takes_and_get_their_own_back(letters: Letters) -> None:
    asked = letters.decode_request({"paragraphs": ["a"], "tools": [_LONG_NAME]}, {})
    (short,) = dialect_of(asked).tool_names(asked)
    sent = _sent(letters, tools=[_LONG_NAME])
    assert dialect_of(asked).tool_names(asked) == {short: _LONG_NAME}
    assert [tool["function"]["name"] for tool in sent["openai_chat"]["tools"]] == [short]
    assert [tool["name"] for tool in sent["openai_responses"]["tools"]] == [short]
    assert [tool["name"] for tool in sent["anthropic_messages"]["tools"]] == [short]


def test_a_field_at_fault_has_the_name_that_its_clients_use(letters: Letters) -> None:
    asked = letters.decode_request({"paragraphs": ["a"], "closing": ["Yours"]}, {})
    with pytest.raises(InvalidRequest, match=r"^closing: "):
        client_dialects()["openai_responses"].encode_request(asked)


def test_clients_of_known_apis_understand_why_its_providers_stopped() -> None:
    response = ModelResponse(choices=(Choice(message=Message(content="a"), finish_reason="paper_ran_out"),))
    chat = DIALECTS["openai_chat"].encode_response(response, request("openai_chat"))
    messages = DIALECTS["anthropic_messages"].encode_response(response, request("anthropic_messages"))
    assert (chat["choices"][0]["finish_reason"], messages["stop_reason"]) == ("length", "max_tokens")


def test_errors_below_its_paths_are_its_own_and_no_others(letters: Letters) -> None:
    asked = [dialect for dialect in DIALECTS.values() if dialect.is_asked("/v1/letters/7", ())]
    assert asked == [letters]


def test_a_stream_of_an_unknown_api_is_encoded_for_every_client() -> None:
    chunk = Received(ModelResponse(id="x", choices=(Choice(delta=Message(content="Hello")),)))
    for name, dialect in streaming_dialects().items():
        assert b"Hello" in dialect.formatter(request(name), "txn", 7).format(chunk)


_SPEAKS: Mapping[str, str] = {
    "messages/requests.py": "the type of the names",
    "dialects/__init__.py": "the register",
    "dialects/translation/encrypted_reasoning.py": "whose reasoning has no mark in the common form",
    "gateway/routes.py": "the table of routes",
    "backends/direct/openai_chat.py": "asks providers of it",
    "backends/direct/openai_responses.py": "asks providers of it",
    "backends/direct/anthropic_messages.py": "asks providers of it",
    "backends/direct/completions_and_embeddings.py": "asks providers of them",
    "backends/litellm/backend.py": "LiteLLM has the form of chat completions",
    "backends/litellm/completions_and_embeddings.py": "LiteLLM has the form of these",
    "backends/litellm/parameters.py": "LiteLLM has the form of chat completions, and Claude's behind it",
    "backends/simulated/completions_and_embeddings.py": "plays a provider of them",
    "backends/probes.py": "asks a deployment the shortest question, in the form that all can be asked in",
    "backends/thinking_history.py": "brings fields of its messages under the names of each provider",
    "backends/replay/backend.py": "plays a provider of each",
    "live_view/flow.py": "has a short word for each",
    "recorder/curl.py": "knows in which header each has its key",
    "recorder/taking.py": "what came by a library is kept in the form of chat completions",
    "transcripts/answers.py": "sees from the bytes of an answer of which it is",
    "transcripts/requests.py": "sees from the body of a request of which it is",
    "backends/stored_responses.py": "asks whether a request could go to chat completions",
}
"""Modules that may name a dialect, and why; the demo is a client of each."""
_BASE = "openai_chat"
"""OpenAI's other APIs are made of its words for errors, usage and models."""


def _named(path: Path) -> set[str]:
    """The dialects that a module names, by a text or by an import."""
    names = set(get_args(Dialect))
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Constant(value=str(text)) if text in names:
                found.add(text)
            case ast.ImportFrom(module=str(module), names=aliases):
                imported = {*module.split("."), *(alias.name for alias in aliases)}
                found |= imported & names if module.startswith("app.dialects") else set()
    return found


def test_no_module_names_a_dialect_but_its_own_package_and_what_speaks_it() -> None:
    naming = {}
    for path in _APP.rglob("*.py"):
        module = path.relative_to(_APP).as_posix()
        package = module.split("/")[1] if module.startswith("dialects/") else ""
        allowed = {package, _BASE} if package.startswith("openai_") else {package}
        if module not in _SPEAKS and not module.startswith("demo/") and (names := _named(path) - allowed):
            naming[module] = names
    assert naming == {}


def test_every_module_that_may_name_a_dialect_does() -> None:
    assert [module for module in _SPEAKS if not _named(_APP / module)] == []
