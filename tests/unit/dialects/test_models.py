from typing import Any

import pytest

from app.dialects import anthropic_messages, openai_chat
from app.errors import InvalidRequest

NAMES = [f"m{number}" for number in range(30)]


def _page(**query: str) -> tuple[list[str], bool]:
    page = anthropic_messages.DIALECT.render_models(NAMES, 0, query)
    ids = [model["id"] for model in page["data"]]
    assert (page["first_id"], page["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))
    return ids, page["has_more"]


def test_openai_lists_every_model_at_once() -> None:
    assert openai_chat.DIALECT.render_models(["a"], 5, {"limit": "1"}) == {
        "object": "list",
        "data": [{"id": "a", "object": "model", "created": 5, "owned_by": "flowspan"}],
    }


def test_anthropic_shows_a_model_with_its_date() -> None:
    assert anthropic_messages.DIALECT.render_model("a", 1700000000) == {
        "type": "model",
        "id": "a",
        "display_name": "a",
        "created_at": "2023-11-14T22:13:20Z",
    }


def test_anthropic_pages_run_forward_and_backward() -> None:
    assert _page() == (NAMES[:20], True)
    assert _page(limit="1000") == (NAMES, False)
    assert _page(limit="5", after_id="m22") == (NAMES[23:28], True)
    assert _page(limit="5", after_id="m24") == (NAMES[25:30], False)
    assert _page(after_id="m29") == ([], False)
    assert _page(limit="5", before_id="m5") == (NAMES[:5], False)
    assert _page(limit="5", before_id="m6") == (NAMES[1:6], True)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"limit": "²"}, "limit"),
        ({"limit": ""}, "limit"),
        ({"after_id": "nobody"}, "after_id"),
        ({"after_id": "m1", "before_id": "m2"}, "before_id"),
    ],
)
def test_a_page_that_cannot_be_is_refused(query: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        anthropic_messages.DIALECT.render_models(NAMES, 0, query)
    assert refused.value.param == param
