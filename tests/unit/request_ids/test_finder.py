"""Which id a request has, where it has several, odd ones or none."""

import json
from typing import Any

import pytest

from app.request_ids import Conversations, Finder
from app.settings import TelemetrySettings

CONVERSATION, USER, ACCOUNT = "gen_ai.conversation.id", "user.id", "flowspan.account.id"
SESSION = "7b6e0c1a-54a1-4a0e-9d6e-0d6f3c0f8a11"
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


def ids_of(
    body: dict[str, Any] | None = None, headers: dict[str, str] | None = None, settings: TelemetrySettings | None = None
) -> dict[str, str]:
    finder = Finder(settings or TelemetrySettings(), Conversations())
    return dict(finder.find(headers or {}, body or {}).ids)


@pytest.mark.parametrize(
    "packed",
    [
        f"user_0a1b_account__session_{SESSION}",
        json.dumps({"device_id": "0a1b", "account_uuid": "", "session_id": SESSION}),
    ],
)
def test_what_claude_code_packs_into_one_field_is_taken_apart(packed: str) -> None:
    assert ids_of({"metadata": {"user_id": packed}}) == {CONVERSATION: SESSION, USER: "0a1b"}


@pytest.mark.parametrize(
    ("sent", "found"),
    [("Müller-1".encode(), "Müller-1"), ("Müller-1".encode("latin-1"), "Müller-1"), (b"plain", "plain")],
)
def test_a_header_is_read_as_utf_8_where_it_is_that(sent: bytes, found: str) -> None:
    assert ids_of(headers={"session_id": sent.decode("latin-1")}) == {CONVERSATION: found}


def test_an_account_is_found_beside_user_and_session() -> None:
    packed = f"user_0a1b_account_c0ffee-1_session_{SESSION}"
    assert ids_of({"metadata": {"user_id": packed}}) == {CONVERSATION: SESSION, USER: "0a1b", ACCOUNT: "c0ffee-1"}


@pytest.mark.parametrize("text", ["somebody", "user_1", "{not json", '["a"]', "{}x", "[" * 5000, "{" * 5000])
def test_any_other_user_id_is_the_user(text: str) -> None:
    assert ids_of({"metadata": {"user_id": text}}) == {USER: text}


@pytest.mark.parametrize("body", [{"metadata": []}, {"metadata": None}, {"user": {}}, {"conversation": True}])
def test_values_of_another_type_are_no_ids(body: dict[str, Any]) -> None:
    assert ids_of(body) == {}


def test_a_header_counts_before_a_field_and_the_first_header_before_the_next() -> None:
    body = {"metadata": {"session_id": "c"}, "prompt_cache_key": "d"}
    headers = {"x-session-id": "b", "x-claude-code-session-id": "a"}
    assert ids_of(body, headers)[CONVERSATION] == "a"
    assert ids_of(body, {"x-session-id": "b"})[CONVERSATION] == "b"
    assert ids_of(body)[CONVERSATION] == "c"


def test_an_empty_id_is_none() -> None:
    assert ids_of({"user": ""}, {"session_id": "", "x-session-id": "b"}) == {CONVERSATION: "b"}


def test_baggage_is_decoded_and_its_properties_are_left_out() -> None:
    header = "a=1, session.id = se%20ss;ttl=5 ,broken,=x,user.id=u%C3%A9"
    assert ids_of(headers={"baggage": header}) == {CONVERSATION: "se ss", USER: "ué"}


def test_the_operators_order_replaces_the_usual_one() -> None:
    settings = TelemetrySettings(
        conversation_from=("body:metadata.chat", "header:X-Chat"),
        user_from=(),
        attributes={"tenant": "header:x-tenant"},
    )
    finder = Finder(settings, Conversations())
    headers = {"x-chat": "h", "session_id": "s", "x-tenant": "acme"}
    assert finder.find(headers, {"user": "u"}) == ({CONVERSATION: "h"}, {"tenant": "acme"})
    assert finder.find(headers, {"metadata": {"chat": 7}}).ids == {CONVERSATION: "7"}


def test_responses_that_go_on_from_one_another_are_one_conversation() -> None:
    conversations = Conversations(limit=2)
    finder = Finder(TelemetrySettings(), conversations)

    def next_after(response_id: str) -> str:
        return finder.find({}, {"previous_response_id": response_id}).ids[CONVERSATION]

    conversations.learn("resp_1", "first")
    conversations.learn("resp_2", next_after("resp_1"))
    assert next_after("resp_2") == "first"
    conversations.learn("resp_3", "other")
    assert next_after("resp_1") == "resp_1", "the oldest was forgotten, and its id stands for the conversation"
    assert next_after("resp_2") == "first"


class TestFingerprints:
    def of(self, body: dict[str, Any], caller: str = "", headers: dict[str, str] | None = None) -> str:
        finder = Finder(TelemetrySettings(), Conversations())
        found: str = finder.find(headers or {}, body, beginning=body, caller=caller).ids[CONVERSATION]
        return found

    def test_it_stays_the_same_through_the_turns_of_a_conversation(self) -> None:
        system = {"role": "system", "content": "be brief"}
        first = {"role": "user", "content": [{"type": "text", "text": "hello", "cache_control": {"type": "ephemeral"}}]}
        later = [{"role": "assistant", "content": "hi"}, {"role": "user", "content": "more"}]
        unmarked = {"role": "user", "content": [{"type": "text", "text": "hello"}]}
        assert self.of({"messages": [system, first]}) == self.of({"messages": [system, unmarked, *later]})

    def test_it_is_the_same_in_every_process(self) -> None:
        assert self.of(CHAT) == "fp_f51271f9b69b1fef4d1ffe6f"

    @pytest.mark.parametrize(
        "other",
        [
            {"messages": [{"role": "user", "content": "hello!"}]},
            {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "hello"}]},
            {"system": "s", **CHAT},
            {"messages": [{"role": "user", "content": "hel"}, {"role": "user", "content": "lo"}]},
            {"input": "hello", "instructions": "x"},
        ],
    )
    def test_another_beginning_has_another_one(self, other: dict[str, Any]) -> None:
        assert self.of(CHAT) != self.of(other)

    def test_callers_and_users_are_kept_apart(self) -> None:
        assert len({self.of(CHAT), self.of(CHAT, "key"), self.of({**CHAT, "user": "u"}), self.of(CHAT, "k2")}) == 4

    def test_long_texts_count_by_their_ends_and_their_length(self) -> None:
        long = "a" * 9000
        others = [long + "a", "b" + long[1:], long[1:] + "b"]
        assert all(self.of({"input": long}) != self.of({"input": other}) for other in others)
        assert self.of({"input": long}) == self.of({"input": f"{long[:4500]}b{long[4501:]}"})

    def test_lone_surrogates_are_no_fault(self) -> None:
        assert self.of({"input": "\ud800"}).startswith("fp_")

    def test_a_body_without_texts_has_none(self) -> None:
        finder = Finder(TelemetrySettings(), Conversations())
        body: dict[str, Any] = {"messages": [], "input": 5}
        assert finder.find({}, body, beginning=body).ids == {}
