"""Within a dialect nothing that a client said is lost, and no JSON object is more than refused."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.dialects import DIALECTS, anthropic_messages, openai_chat
from app.errors import InvalidRequest
from app.messages import Dialect
from tests.unit.dialects.anthropic_bodies import anthropic_bodies
from tests.unit.dialects.openai_bodies import openai_bodies
from tests.unit.dialects.samples import BOUNDED, json_objects, mutations

_BODIES = {"openai_chat": openai_bodies, "anthropic_messages": anthropic_bodies}


@BOUNDED
@given(openai_bodies)
def test_an_openai_body_comes_back_as_it_was(body: dict[str, Any]) -> None:
    assert openai_chat.encode_request(openai_chat.decode_request(body, {})) == body


@BOUNDED
@given(anthropic_bodies)
def test_an_anthropic_body_comes_back_as_it_was(body: dict[str, Any]) -> None:
    assert anthropic_messages.encode_request(anthropic_messages.decode_request(body, {})) == body


@pytest.mark.parametrize("dialect", DIALECTS)
@BOUNDED
@given(data=st.data())
def test_any_json_object_is_decoded_or_refused(dialect: Dialect, data: st.DataObject) -> None:
    """And what is decoded can be sent on to either dialect, or is refused."""
    body = data.draw(mutations(_BODIES[dialect]) | json_objects)
    for target in DIALECTS.values():
        with suppress(InvalidRequest):
            msgspec.json.encode(target.encode_request(DIALECTS[dialect].decode_request(body, {})))


@pytest.mark.parametrize("dialect", DIALECTS)
@BOUNDED
@given(data=st.data())
def test_what_is_normalised_once_stays_as_it_is(dialect: Dialect, data: st.DataObject) -> None:
    body = data.draw(mutations(_BODIES[dialect]))
    try:
        request = DIALECTS[dialect].decode_request(body, {})
        encoded = DIALECTS[dialect].encode_request(request)
        again = DIALECTS[dialect].decode_request(encoded, {})
    except InvalidRequest:
        return
    assert DIALECTS[dialect].encode_request(again) == encoded
