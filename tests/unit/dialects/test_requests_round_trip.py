"""Within a dialect nothing that a client said is lost, and no JSON object is more than refused."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.dialects import client_dialects
from app.errors import InvalidRequest
from app.messages import Dialect
from tests.unit.dialects.anthropic_messages.bodies import anthropic_bodies
from tests.unit.dialects.openai_chat.bodies import openai_bodies
from tests.unit.dialects.openai_responses.bodies import responses_bodies
from tests.unit.dialects.samples import BOUNDED, json_objects, mutations

_BODIES = {
    "openai_chat": openai_bodies,
    "anthropic_messages": anthropic_bodies,
    "openai_responses": responses_bodies,
}


def _encoded_anew(dialect: Dialect, body: dict[str, Any]) -> dict[str, Any]:
    """As where a policy has changed something of it."""
    request = client_dialects()[dialect].decode_request(body, {})
    return client_dialects()[dialect].encode_request(replace(request, native=None))


@BOUNDED
@given(openai_bodies)
def test_an_openai_body_comes_back_as_it_was(body: dict[str, Any]) -> None:
    assert _encoded_anew("openai_chat", body) == body


@BOUNDED
@given(anthropic_bodies)
def test_an_anthropic_body_comes_back_as_it_was(body: dict[str, Any]) -> None:
    assert _encoded_anew("anthropic_messages", body) == body


@BOUNDED
@given(responses_bodies)
def test_a_responses_body_comes_back_as_it_was(body: dict[str, Any]) -> None:
    assert _encoded_anew("openai_responses", body) == body


@pytest.mark.parametrize("dialect", client_dialects())
@BOUNDED
@given(data=st.data())
def test_any_json_object_is_decoded_or_refused(dialect: Dialect, data: st.DataObject) -> None:
    """What is decoded can be sent on to any dialect, or is refused."""
    body = data.draw(mutations(_BODIES[dialect]) | json_objects)
    for target in client_dialects().values():
        with suppress(InvalidRequest):
            msgspec.json.encode(target.encode_request(client_dialects()[dialect].decode_request(body, {})))


@pytest.mark.parametrize("dialect", client_dialects())
@BOUNDED
@given(data=st.data())
def test_what_is_normalised_once_stays_as_it_is(dialect: Dialect, data: st.DataObject) -> None:
    body = data.draw(mutations(_BODIES[dialect]))
    try:
        request = client_dialects()[dialect].decode_request(body, {})
        encoded = client_dialects()[dialect].encode_request(request)
        again = client_dialects()[dialect].decode_request(encoded, {})
    except InvalidRequest:
        return
    assert client_dialects()[dialect].encode_request(again) == encoded
