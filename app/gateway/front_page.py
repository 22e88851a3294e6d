"""What the gateway says of itself: at its root, and to whoever asks for a path that it does not serve.

Anybody may read it, without a key: nothing of the configuration is in it.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from html import escape
from importlib import metadata
from typing import Any

from app.gateway.other_requests import HEALTH, HEALTH_PATHS, USAGE
from app.gateway.routes import ROUTES, UNVERSIONED, VERSION
from telemetry.hosts import host_name, is_loopback

NAME = "Flowspan"
_WHAT = "An LLM gateway: it speaks the APIs of OpenAI and Anthropic, and asks the providers of models."
_DOCUMENTATION = "README.md and docs/ in Flowspan's source; flowspan --help"
_QUESTIONS = ("/v1/models", "/v1/models/{id}", USAGE)
"""What is answered without a model."""
_ALIKE = 0.8
"""How similar a path has to be to one that is served, for a suggestion."""
_LONGEST = 120
"""Characters of a path that are compared: it comes from strangers, and a comparison takes time by its square."""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
PAGE_HEADERS = {"content-security-policy": _POLICY, "x-content-type-options": "nosniff", "vary": "accept"}


def description(console: str | None = None, generation: int = 1) -> dict[str, Any]:
    """What this is, for programs. `console` is the address of the console, where there is one; `generation` counts the
    configurations that were in use, this one included."""
    found: dict[str, Any] = {
        "name": NAME,
        "version": _version(),
        "configuration_generation": generation,
        "description": _WHAT,
        "base_urls": {"openai": VERSION, "anthropic": "/"},
        "routes": list(_routes()),
        "documentation": _DOCUMENTATION,
    }
    if console is not None:
        found["console"] = console
    return found


def page(console: str | None = None) -> str:
    """What this is, for people with a browser."""
    routes = "\n".join(f"<li><code>{escape(route)}</code></li>" for route in _routes())
    link = "" if console is None else f'<p>Console: <a href="{escape(console)}">{escape(console)}</a></p>\n'
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{NAME}</title>
<style>
:root {{ color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.5; }}
body {{ max-width: 42rem; margin: 3rem auto; padding: 0 1rem; }}
</style>
</head>
<body>
<h1>{NAME} {escape(_version())}</h1>
<p>{escape(_WHAT)}</p>
{link}<p>The base URL for clients of OpenAI's API is this address with <code>{VERSION}</code>; for clients of
Anthropic's API it is this address as it is.</p>
<ul>
{routes}
</ul>
<p>Documentation: {escape(_DOCUMENTATION)}</p>
</body>
</html>
"""


def asks_for_a_page(accept: str) -> bool:
    """Whether a request's `Accept` header is a browser's."""
    return "text/html" in accept


def is_for(console: str | None, host: str) -> bool:
    """Whether somebody who asked for `host` is told of the console: only on this machine, of one on this machine."""
    names = (host_name(host), host_name((console or "").partition("://")[2].rstrip("/")))
    return all(name is not None and is_loopback(name) for name in names)


def advice(path: str) -> str:
    """What to tell somebody who asks for a path that is not served."""
    sentences = [f"This is {NAME}, an LLM gateway; GET / lists its routes."]
    if path.endswith((":generateContent", ":streamGenerateContent")):
        sentences.insert(0, "Gemini's own API is not served; Gemini's models can be asked by OpenAI's API.")
    elif (near := _nearest(path)) is not None:
        sentences.insert(0, f"Did you mean {near}?")
    return " ".join(sentences)


def _nearest(path: str) -> str | None:
    """The served path that was probably meant: the end of the one that was asked for, or one that is spelled alike."""
    asked = path[-_LONGEST:].rstrip("/").lower()
    ends = {**{path: path for path in _paths()}, **{path: VERSION + path for path in UNVERSIONED}}
    ends["/messages"] = f"{VERSION}/messages"
    for end in sorted(ends, key=len, reverse=True):
        if end != "/" and asked.endswith(end):
            return ends[end]
    return next(iter(get_close_matches(asked, ends, 1, _ALIKE)), None)


def _paths() -> Iterable[str]:
    models = (route.path for route in ROUTES)
    return (path for path in (*models, *_QUESTIONS, HEALTH, *sorted(HEALTH_PATHS)) if "{" not in path)


def _routes() -> Iterable[str]:
    """Every route with its methods."""
    yield from (f"{', '.join(route.methods)} {route.path}" for route in ROUTES)
    yield from (f"GET {path}" for path in (*_QUESTIONS, HEALTH, *sorted(HEALTH_PATHS)))


@cache
def _version() -> str:
    return metadata.version("flowspan")
