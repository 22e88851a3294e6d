"""A model's text as HTML, made of Markdown, and inert whatever it holds. Pure.

HTML in it stays text. A link leads to http or https only, tells the page that it leads to nothing of where one comes
from, and shows its address; an image is a link, as nothing is fetched from another host.
"""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup, escape

from app.unseen import inert

LIMIT = 20_000
"""Characters of a text that are rendered; of a longer one there is the text alone."""
_NESTED = 12
_SCHEMES = ("http", "https")
_MOST_COLUMNS = 40
"""Each row of a table has as many cells as its head."""
_LONGEST_LINE = 4_000
"""Characters."""
_MOST_LINES = 1_500
_MARKS = re.compile(r"[\[*_~`<&\\]")
_MOST_MARKS = 2_000
"""Marks of which few end take the parser a time that grows with their square, on however many lines."""


class _Renderer(RendererHTML):
    def link_open(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
        address = str(tokens[index].attrs.get("href") or "")
        return f'<a href="{escape(address)}" rel="noopener noreferrer nofollow" title="{escape(address)}">'

    def image(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
        token = tokens[index]
        words = self.renderInlineAsText(token.children or (), options, env)
        address = str(token.attrs.get("src") or "")
        return f'<span class="unfetched">image: {escape(words)} <code>{escape(address)}</code></span>'


def _may_lead_to(address: str) -> bool:
    try:
        return urlsplit(address).scheme.lower() in _SCHEMES
    except ValueError:
        return False


def _parser() -> MarkdownIt:
    parser = MarkdownIt(
        "commonmark", {"html": False, "linkify": False, "maxNesting": _NESTED}, renderer_cls=_Renderer
    ).enable(["table", "strikethrough"])
    parser.validateLink = _may_lead_to  # type: ignore[method-assign, assignment]
    return parser


_PARSER = _parser()


def markdown(text: str) -> Markup | None:
    """The HTML of a text; None for one that is better shown as it is, as it is too long, or nobody would write it."""
    lines = text.split("\n")
    if len(text) > LIMIT or len(lines) > _MOST_LINES or any(_is_odd(line) for line in lines):
        return None
    if len(_MARKS.findall(text)) > _MOST_MARKS:
        return None
    tokens = _PARSER.parse(inert(text))
    for token in tokens:
        if alignment := token.attrs.pop("style", None):
            # No page has a style of its own; what it says of a column is `text-align:right`.
            token.attrs["class"] = str(alignment).partition(":")[2]
    # Entities have become characters meanwhile.
    return Markup(inert(_PARSER.renderer.render(tokens, _PARSER.options, {})))


def _is_odd(line: str) -> bool:
    return len(line) > _LONGEST_LINE or line.count("|") > _MOST_COLUMNS
