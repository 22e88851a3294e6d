"""Images and files as sources of Anthropic's blocks, under media types that its API takes. Pure.

It takes four types of images, and checks that the data are of the type that is named; PDF; and text, as text. Source:
platform.claude.com, pages "Vision" and "PDF support".
"""

import base64
import binascii
from typing import Any

from app.dialects.translation.losses import no_counterpart
from app.errors import InvalidRequest
from app.messages import DocumentPart, ImagePart

_PDF = "application/pdf"
_IMAGES = "image/"
_SYNONYMS = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-png": "image/png"}
_SYNONYMS |= {"application/x-pdf": _PDF}
_BEGINNINGS = {"iVBORw0KGgo": "image/png", "/9j/": "image/jpeg", "R0lGOD": "image/gif", "UklGR": "image/webp"}
_BEGINNINGS |= {"JVBERi0": _PDF}
"""How data of a type begin, in base64."""
_TEXTS = frozenset(
    f"application/{name}"
    for name in ("json", "ld+json", "x-ndjson", "jsonl", "xml", "yaml", "x-yaml", "toml", "javascript", "x-javascript")
) | {"application/typescript", "application/sql", "application/x-sh", "application/graphql", "image/svg+xml"}
_TEXT_NAMES = frozenset(
    ("txt", "md", "markdown", "csv", "tsv", "json", "jsonl", "xml", "yaml", "yml", "toml", "html", "htm", "log", "ini")
) | {
    "py",
    "js",
    "ts",
    "tsx",
    "jsx",
    "java",
    "go",
    "rs",
    "c",
    "h",
    "cpp",
    "rb",
    "sh",
    "sql",
    "css",
    "diff",
    "rst",
    "svg",
}


def image_source(part: ImagePart) -> dict[str, Any]:
    """The source of an image of a client of another dialect."""
    if part.data is None:
        return {"type": "url", "url": part.url}
    named = media_type(part.media_type or "")
    found = _begins_as(part.data)
    kind = found if found and found.startswith(_IMAGES) else named or "image/png"
    return {"type": "base64", "media_type": kind, "data": part.data}


def file_block(part: DocumentPart, path: str) -> dict[str, Any]:
    """The block for a file of a client of another dialect: a document, or an image. Raises InvalidRequest for a kind of
    file that Anthropic does not read."""
    if part.data is None:
        return _document(part, document_source(part, path))
    named = media_type(part.media_type or "")
    kind = _begins_as(part.data) or named
    if kind.startswith(_IMAGES) and kind not in _TEXTS:
        return {"type": "image", "source": image_source(ImagePart(data=part.data, media_type=kind))}
    if kind == _PDF:
        return _document(part, {"type": "base64", "media_type": _PDF, "data": part.data})
    if named.startswith("text/") or named in _TEXTS or _has_text_name(part):
        if (text := _decoded(part.data)) is None:
            raise InvalidRequest(f"{path}: a text file that is not base64 of UTF-8.", param=path)
        return _document(part, {"type": "text", "media_type": "text/plain", "data": text})
    if named in ("", "application/octet-stream"):
        return _document(part, {"type": "base64", "media_type": _PDF, "data": part.data})
    raise no_counterpart(path, f"a file of type {named!r}")


def document_source(part: DocumentPart, path: str) -> dict[str, Any]:
    """The source of a document, as it came where it came from Anthropic."""
    if part.text is not None:
        return {"type": "text", "media_type": part.media_type or "text/plain", "data": part.text}
    if part.data is not None:
        return {"type": "base64", "media_type": part.media_type or _PDF, "data": part.data}
    if part.url is not None:
        return {"type": "url", "url": part.url}
    if part.file_id is not None:
        return {"type": "file", "file_id": part.file_id}
    raise InvalidRequest(f"{path}: a document without content.", param=path)


def media_type(given: str) -> str:
    """A media type in lower case, without parameters, under its usual name."""
    bare = given.partition(";")[0].strip().lower()
    return _SYNONYMS.get(bare, bare)


def _document(part: DocumentPart, source: dict[str, Any]) -> dict[str, Any]:
    title = {} if part.title is None else {"title": part.title}
    return {"type": "document", **title, "source": source}


def _begins_as(data: str) -> str | None:
    return next((kind for start, kind in _BEGINNINGS.items() if data.startswith(start)), None)


def _has_text_name(part: DocumentPart) -> bool:
    _, dot, extension = (part.title or "").rpartition(".")
    unnamed = media_type(part.media_type or "") in ("", "application/octet-stream")
    return bool(dot) and unnamed and extension.lower() in _TEXT_NAMES


def _decoded(data: str) -> str | None:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
