"""A model's Markdown is rendered, and nothing in it runs, loads or steers."""

import re
import time

import pytest

from app.console.markdown import LIMIT, markdown

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[a](javascript:alert(1))",
    "[a](JaVa\tScript:alert(1))",
    "[a](&#106;avascript:alert(1))",
    "[a](data:text/html;base64,PHNjcmlwdD4=)",
    "[a](vbscript:x)",
    "[a](file:///etc/passwd)",
    "<javascript:alert(1)>",
    "[r]\n\n[r]: javascript:alert(1)",
    '[a](https://example.com/"onmouseover="alert(1))',
    '[a](https://example.com "title\\" onclick=alert(1)")',
    "![a](https://evil.example/pixel.png)",
    "![a](data:image/svg+xml;base64,PHN2Zz4=)",
    '```x" onclick=alert(1)\n</code></pre><script>\n```',
    "| <b onclick=x> |\n|---|\n| `<script>` |",
    "| a |\n|--:|\n| 1 |",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_in_it_runs_or_loads(text: str) -> None:
    html = markdown(text)

    assert html is not None
    tags = re.findall(r"<(\w+)([^>]*)>", html)
    assert {name for name, _ in tags} <= {"p", "a", "pre", "code", "table", "thead", "tbody", "tr", "th", "td", "span"}
    for _, attributes in tags:
        names = set(re.findall(r'\s([\w-]+)="[^"]*"', attributes))
        assert names <= {"href", "rel", "title", "class"}
        assert re.sub(r'\s[\w-]+="[^"]*"', "", attributes) == ""
    assert all(address.startswith(("http://", "https://")) for address in re.findall(r'href="([^"]*)"', html))


def test_a_link_tells_its_address_and_nothing_of_the_page() -> None:
    html = markdown("[here](https://example.com/a)")

    assert html is not None
    assert 'href="https://example.com/a" rel="noopener noreferrer nofollow" title="https://example.com/a"' in html


@pytest.mark.parametrize("text", ["a\u202eb", "a&#x202e;b", "`a\u202eb`", "\x1b[31mred", "\u2066", "&#x1b;[0m"])
def test_what_nobody_sees_is_a_visible_sign(text: str) -> None:
    html = markdown(text)

    assert html is not None
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b]", html)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 19_000,
        "![](" * 4_000,
        "*a_ " * 4_000,
        ("|a" * 1_900 + "\n" + "|-" * 1_900 + "\n" + "|a\n" * 3_000)[:20_000],
        ("`" * 3_000 + "\n`a\n") * 6,
        ("[a](b\n" * 3_000)[:20_000],
        "> " * 9_000,
        ("- " * 1_500 + "\n") * 6,
    ],
)
def test_no_text_takes_long(text: str) -> None:
    began = time.process_time()
    markdown(text)

    assert time.process_time() - began < 1


def test_a_text_that_is_too_long_is_left_as_it_is() -> None:
    assert markdown("a " * 20_000) is None


@pytest.mark.parametrize("marks", ["![", "*a_", "[![", "**a ", "* a\n", "a|b\n-|-\n", "[a][b]", "`a"])
def test_marks_on_many_lines_take_little_time(marks: str) -> None:
    """Each line is short, and a paragraph goes over all of them."""
    text = marks * (LIMIT // len(marks))
    began = time.monotonic()

    markdown("\n".join(text[at : at + 60] for at in range(0, LIMIT - 400, 60)))

    assert time.monotonic() - began < 1
