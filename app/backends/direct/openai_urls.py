"""Where OpenAI's APIs are at a provider, and how it knows the gateway; Azure's way included. Pure.

A base address may end in the resource that it is for, as providers show it in their documentation.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from app.addresses import split_base
from app.backends.direct.endpoint import Endpoint, is_before, with_authorization

_CHAT = "/chat/completions"
_RESPONSES = "/responses"
_UNDATED = frozenset({"v1", "latest", "preview"})
"""Azure's names for its newest version, whose addresses are like OpenAI's own."""


def chat_url(endpoint: Endpoint) -> str:
    parts = split_base(endpoint.base)
    path, query = parts.path.rstrip("/"), parts.query
    if endpoint.version is not None:
        query = query or _azure_query(path, endpoint.version)
        path = _azure_chat_path(path, endpoint.model, endpoint.version)
    elif not path.endswith(_CHAT):
        path = path.removesuffix(_RESPONSES) + _CHAT
    return urlunsplit((parts.scheme, parts.netloc, path, query, ""))


def responses_url(endpoint: Endpoint) -> str:
    parts = split_base(endpoint.base)
    path, query = parts.path.rstrip("/"), parts.query
    if (version := _responses_version(endpoint)) is not None:
        query = query or _azure_query(path, version)
        path = _azure_responses_path(path, version)
    elif not path.endswith(_RESPONSES):
        path = path.removesuffix(_CHAT) + _RESPONSES
    return urlunsplit((parts.scheme, parts.netloc, path, query, ""))


def url_beside_chat(endpoint: Endpoint, resource: str) -> str:
    """The URL of a sibling of /chat/completions, such as /embeddings. The base may already end in it."""
    parts = split_base(endpoint.base)
    path = parts.path.rstrip("/")
    base = parts._replace(path=path if path.endswith(_CHAT) else path.removesuffix(resource))
    chat = urlsplit(chat_url(replace(endpoint, base=urlunsplit(base))))
    return urlunsplit(chat._replace(path=chat.path.removesuffix(_CHAT) + resource))


def key_headers(endpoint: Endpoint, params: Mapping[str, Any]) -> dict[str, str]:
    """The headers that say who asks: key or token, organization, project. Raises ValueError where the base address has
    a user and password for the header that the key takes."""
    headers = {}
    is_azure = endpoint.version is not None
    key, token = params.get("api_key"), params.get("azure_ad_token")
    if is_azure and token:
        headers["authorization"] = f"Bearer {token}"
    elif key:
        headers |= {"api-key": str(key)} if is_azure else {"authorization": f"Bearer {key}"}
    for name in ("organization", "project"):
        if params.get(name):
            headers[f"openai-{name}"] = str(params[name])
    return with_authorization(headers, endpoint, params)


def _azure_chat_path(path: str, deployment: str, version: str) -> str:
    if path.endswith(_CHAT):
        return path
    if path.endswith("/openai/v1") or "/openai/deployments/" in path:
        return path + _CHAT
    base = path.removesuffix("/openai")
    if version in _UNDATED:
        return f"{base}/openai/v1{_CHAT}"
    return f"{base}/openai/deployments/{deployment}{_CHAT}"


def _responses_version(endpoint: Endpoint) -> str | None:
    """At a version from before the API existed, it is at the address without versions, as every resource is."""
    version, versions = endpoint.version, endpoint.provider.api_versions
    if version is None or versions is None:
        return None
    return "v1" if is_before(version, versions.responses) else version


def _azure_responses_path(path: str, version: str) -> str:
    """Azure's deployment is named in the body."""
    if path.endswith(_RESPONSES):
        return path
    base = path.partition("/openai")[0]
    return f"{base}/openai{'/v1' if _is_undated(path, version) else ''}{_RESPONSES}"


def _is_undated(path: str, version: str) -> bool:
    return version in _UNDATED or "/openai/v1" in path


def _azure_query(path: str, version: str) -> str:
    if _is_undated(path, version) and version != "preview":
        return ""
    return urlencode({"api-version": version})
