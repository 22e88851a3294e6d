"""Where OpenAI's two APIs are at a provider, and how it knows the gateway; Azure's way included. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit, urlunsplit

from app.backends.direct.providers import Route

_CHAT = "/chat/completions"
_RESPONSES = "/responses"
_AZURE_VERSION = "2025-02-01-preview"
_AZURE_KNOWS_RESPONSES = "2025-03-01"
_AZURE_UNVERSIONED = frozenset({"v1", "latest", "preview"})


def azure_version(route: Route, params: Mapping[str, Any]) -> str | None:
    """None for whoever is not Azure."""
    return str(params.get("api_version") or _AZURE_VERSION) if route.provider == "azure" else None


def chat_url(route: Route, version: str | None) -> str:
    parts = _split(route)
    path, query = parts.path.rstrip("/"), parts.query
    if version is not None:
        path, query = _azure_chat_path(path, route.model, version), query or _azure_query(path, version)
    elif not path.endswith(_CHAT):
        path = path.removesuffix(_RESPONSES) + _CHAT
    return urlunsplit((parts.scheme, parts.netloc, path, query, ""))


def responses_url(route: Route, version: str | None) -> str:
    parts = _split(route)
    path, query = parts.path.rstrip("/"), parts.query
    if version is not None:
        version = _with_responses(path, version)
        path, query = _azure_responses_path(path, version), query or _azure_query(path, version)
    elif not path.endswith(_RESPONSES):
        path = path.removesuffix(_CHAT) + _RESPONSES
    return urlunsplit((parts.scheme, parts.netloc, path, query, ""))


def url_beside_chat(route: Route, version: str | None, resource: str) -> str:
    """Of what is found where chat completions are. A base may name it, as providers show it."""
    parts = _split(route)
    path = parts.path.rstrip("/")
    base = parts._replace(path=path if path.endswith(_CHAT) else path.removesuffix(resource))
    chat = urlsplit(chat_url(replace(route, base=urlunsplit(base)), version))
    return urlunsplit(chat._replace(path=chat.path.removesuffix(_CHAT) + resource))


def key_headers(route: Route, params: Mapping[str, Any]) -> dict[str, str]:
    headers = {}
    is_azure = route.provider == "azure"
    key, token = params.get("api_key"), params.get("azure_ad_token")
    if is_azure and token:
        headers["authorization"] = f"Bearer {token}"
    elif key:
        headers |= {"api-key": str(key)} if is_azure else {"authorization": f"Bearer {key}"}
    for name in ("organization", "project"):
        if params.get(name):
            headers[f"openai-{name}"] = str(params[name])
    return headers


def _split(route: Route) -> SplitResult:
    parts = urlsplit(route.base)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"api_base {route.base!r} is not an http(s) address")
    return parts


def _azure_chat_path(path: str, deployment: str, version: str) -> str:
    if path.endswith(_CHAT):
        return path
    if path.endswith("/openai/v1") or "/openai/deployments/" in path:
        return path + _CHAT
    base = path.removesuffix("/openai")
    if version in _AZURE_UNVERSIONED:
        return f"{base}/openai/v1{_CHAT}"
    return f"{base}/openai/deployments/{deployment}{_CHAT}"


def _with_responses(path: str, version: str) -> str:
    """A version from before the API existed has it at the address without versions, like every resource."""
    return "v1" if version[:4].isdecimal() and version[:10] < _AZURE_KNOWS_RESPONSES else version


def _azure_responses_path(path: str, version: str) -> str:
    """Azure's deployment is named in the body."""
    if path.endswith(_RESPONSES):
        return path
    base = path.partition("/openai")[0]
    return f"{base}/openai{'/v1' if _is_unversioned(path, version) else ''}{_RESPONSES}"


def _is_unversioned(path: str, version: str) -> bool:
    return version in _AZURE_UNVERSIONED or "/openai/v1" in path


def _azure_query(path: str, version: str) -> str:
    if _is_unversioned(path, version) and version != "preview":
        return ""
    return urlencode({"api-version": version})
