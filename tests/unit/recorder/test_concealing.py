"""What is masked of requests and answers, and that what is left of them has its form."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.recorder.concealing import masked, masked_answer, masked_request, masked_secrets

VALUE = "ada@lovelace.org"


def events(*texts: str) -> bytes:
    return b"".join(
        b'data: {"choices":[{"index":0,"delta":{"content":%b}}]}\n\n' % json.dumps(text).encode() for text in texts
    )


def texts_of(stream: bytes) -> list[str]:
    payloads = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith(b"data: {")]
    return [event["choices"][0]["delta"]["content"] for event in payloads]


@given(
    before=st.text(max_size=8),
    behind=st.text(max_size=8),
    cuts=st.sets(st.integers(0, len(VALUE)), max_size=6),
)
def test_a_value_that_was_replaced_is_masked_however_it_was_split(before: str, behind: str, cuts: set[int]) -> None:
    ends = sorted({0, *cuts, len(VALUE)})
    pieces = [VALUE[begin:end] for begin, end in pairwise(ends)]
    sent = events(before, *pieces, behind) + b"data: [DONE]\n\n"
    delivered = events(before, "[EMAIL]", behind) + b"data: [DONE]\n\n"

    kept = masked_answer(sent, delivered)

    assert len(kept) == len(sent)
    clear = texts_of(kept)
    assert VALUE not in "".join(clear)
    assert clear[0] == before
    assert clear[-1] == behind


def test_two_values_leave_no_clear_text_between_them() -> None:
    sent = events(f"a {VALUE} b {VALUE} c")
    assert texts_of(masked_answer(sent, events("a [EMAIL] b [EMAIL] c"))) == [f"a {'*' * 35} c"]


def test_what_the_client_got_in_pieces_does_not_make_up_a_value() -> None:
    """A number of which both halves went on elsewhere is not left in clear as a whole."""
    sent = b'{"choices":[{"message":{"content":"41111111"}}]}'
    delivered = b'{"choices":[{"message":{"content":"4111 and 1111 and [CARD]"}}]}'
    assert b"41111111" not in masked_answer(sent, delivered)


def test_what_nobody_got_is_masked() -> None:
    sent = events("It is ", VALUE)
    assert texts_of(masked_answer(sent, events("It is "))) == ["It is ", "*" * len(VALUE)]


def test_an_event_that_was_cut_off_is_masked_to_its_end() -> None:
    sent = events("It is ") + b'data: {"choices":[{"delta":{"content":"ada@lov'
    kept = masked_answer(sent, events("It is "))
    assert b"ada" not in kept
    assert kept.startswith(events("It is "))


def test_an_answer_that_went_on_as_it_came_is_the_same_object() -> None:
    sent = events("It is ", "fine")
    assert masked_answer(sent, sent) is sent
    # The client's API has other words around the same texts.
    other = b'data: {"type":"start","note":"some"}\n\n' + events("It is ", "fine") + b'data: {"text":"It is fine"}\n\n'
    assert masked_answer(sent, other) is sent


@pytest.mark.parametrize("escaped", [f"caf\\u00e9 {VALUE} \\ud83d\\ude00", f"café {VALUE} 😀"])
def test_escapes_and_characters_of_many_bytes_are_counted_as_one(escaped: str) -> None:
    sent = f'{{"choices":[{{"message":{{"content":"{escaped}"}}}}]}}'.encode()
    kept = masked_answer(sent, '{"choices":[{"message":{"content":"café [EMAIL] 😀"}}]}'.encode())
    assert json.loads(kept)["choices"][0]["message"]["content"] == f"café {'*' * len(VALUE)} 😀"


def test_a_request_keeps_the_texts_that_the_policies_let_pass() -> None:
    sent = json.dumps(
        {
            "model": "gpt-5",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": f"Write to {VALUE}, please."},
                {"role": "assistant", "tool_calls": [{"id": "call_1", "function": {"name": "f", "arguments": VALUE}}]},
            ],
            "max_tokens": 12345678,
        }
    ).encode()

    kept = json.loads(masked_request(sent, ["Be brief.", "Write to [EMAIL], please.", "f", "[EMAIL]"]))

    assert kept["messages"][0] == {"role": "system", "content": "Be brief."}
    assert kept["messages"][1]["content"] == f"Write to {'*' * len(VALUE)}, please."
    assert kept["messages"][2]["tool_calls"][0]["function"] == {"name": "f", "arguments": "*" * len(VALUE)}
    assert (kept["model"], kept["max_tokens"]) == ("gpt-5", 12345678)


def test_what_a_model_made_up_is_masked_with_its_keys_and_numbers() -> None:
    sent = b'{"type":"tool_use","id":"t1","name":"call","input":{"ada@lovelace.org":-4111111111,"small":12}}'
    kept = json.loads(masked(sent))
    assert (kept["type"], kept["id"], kept["name"]) == ("tool_use", "t1", "****")
    assert kept["input"] == {"*" * 16: -1111111111, "*****": 12}


def test_fields_for_secrets_are_masked_and_nothing_else() -> None:
    sent = b'{"mcp_servers":[{"url":"https://x","authorization_token":"abc def"}],"messages":[{"content":"hi"}]}'
    assert masked_secrets(sent) == sent.replace(b"abc def", b"*******")


@given(st.binary(max_size=200))
def test_any_bytes_are_masked_to_as_many(data: bytes) -> None:
    assert len(masked(data)) == len(data)
    assert len(masked_answer(data, b"")) == len(data)
