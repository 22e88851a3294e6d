"""The table of model routes: how each path is served. All other routes are Starlette's (`framework_routes`)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from app.dialects import DIALECTS, RequestDialect
from app.errors import MethodNotAllowed, legible
from app.gateway.call import Handler
from app.gateway.handlers import complete, count_tokens, stored_response
from app.gateway.health_checks import check_deployments

VERSION = "/v1"
UNVERSIONED = ("/chat/completions", "/completions", "/embeddings", "/models", "/responses")
"""OpenAI's paths as its SDKs send them if the base URL has no version; LiteLLM's proxy serves them, too."""


@dataclass(frozen=True)
class Route:
    """A path with the dialect that is spoken there, and the handler that serves it. A parameter of the path, in braces,
    stands for any text without a slash."""

    path: str
    methods: tuple[str, ...]
    dialect: RequestDialect
    handler: Handler
    spends: bool = True
    """Whether a request may cost something, so that a budget which is spent is in its way."""

    def check_method(self, method: str) -> None:
        """Raises MethodNotAllowed."""
        if method not in self.methods:
            allowed = ", ".join(self.methods)
            wrong = f"Not allowed here: {legible(method)} {self.path}. It is served by {allowed}."
            raise MethodNotAllowed(wrong, allowed=allowed)


_CHAT, _RESPONSES = DIALECTS["openai_chat"], DIALECTS["openai_responses"]
_MESSAGES = DIALECTS["anthropic_messages"]
_POST = ("POST",)
_STORED = "/v1/responses/{response_id}"
ROUTES = (
    Route("/v1/chat/completions", _POST, _CHAT, complete),
    Route("/v1/responses", _POST, _RESPONSES, complete),
    Route(_STORED, ("GET", "DELETE"), _RESPONSES, partial(stored_response, tail=""), spends=False),
    Route(f"{_STORED}/cancel", _POST, _RESPONSES, partial(stored_response, tail="/cancel"), spends=False),
    Route(f"{_STORED}/input_items", ("GET",), _RESPONSES, partial(stored_response, tail="/input_items"), spends=False),
    Route("/v1/completions", _POST, DIALECTS["openai_completions"], complete),
    Route("/v1/embeddings", _POST, DIALECTS["openai_embeddings"], complete),
    Route("/v1/messages", _POST, _MESSAGES, complete),
    Route("/v1/messages/count_tokens", _POST, _MESSAGES, count_tokens, spends=False),
    Route("/health/deployments", ("GET",), _CHAT, check_deployments),
)
_BY_PATH = {route.path: route for route in ROUTES}
_WITH_PARAMETERS = [
    (re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", route.path)), route) for route in ROUTES if "{" in route.path
]


def find_route(path: str) -> tuple[Route, Mapping[str, str]] | None:
    """The route of a path, with the values of its parameters; None if it is no model route."""
    if (route := _BY_PATH.get(path)) is not None:
        return route, {}
    for pattern, route in _WITH_PARAMETERS:
        if (found := pattern.fullmatch(path)) is not None:
            return route, found.groupdict()
    return None
