"""Which bodies of a transaction are masked, by what became of the policies that conceal."""

import json

from app.recorder.masking import Concealing, Masking
from app.recorder.secrets import SecretMask, credentials_in, is_credential, permitted_headers
from telemetry import Tape, TapeRoom
from telemetry.recording.timeline import Timeline
from telemetry.redact import Scrubber

REQUEST = b'{"model":"m","messages":[{"role":"user","content":"I am ada"}]}'
ANSWER = b'{"choices":[{"message":{"content":"You are ada"}}]}'
REDACT = Concealing(frozenset({"redact"}), frozenset({"redact"}))


def tape(limit: int = 100_000) -> Tape:
    made = Tape(Timeline(0, 0.0, lambda: 1.0), limit, TapeRoom(limit))
    made.body(REQUEST)
    made.answer.add(ANSWER)
    return made


def masking(taped: Tape, concealing: Concealing = REDACT, secrets: tuple[str, ...] = ()) -> Masking:
    return Masking(taped, SecretMask(secrets), (), concealing)


def test_a_request_that_every_policy_let_pass_stays_in_clear() -> None:
    taped = tape()
    taped.permit(object(), [])
    found = masking(taped)
    assert found.request() == REQUEST
    assert found.answer()[0].data == ANSWER
    assert not found.concealed


def test_a_request_that_not_every_policy_has_seen_is_masked() -> None:
    found = masking(tape())
    assert json.loads(found.request())["messages"][0]["content"] == "********"
    assert found.concealed == {"redact"}


def test_a_policy_that_stepped_aside_has_judged_nothing() -> None:
    taped = tape()
    taped.permit(object(), [])
    taped.decided("redact", "on_request", "failed_open")
    taped.decided("redact", "on_content_delta", "failed_open")
    found = masking(taped)
    bodies = [found.request(), found.attempt_request(REQUEST), found.answer()[0].data]
    bodies.append(found.attempt_answer([(0.0, ANSWER)])[0].data)
    assert not [body for body in bodies if b"ada" in body]


def test_other_policies_leave_everything_in_clear() -> None:
    taped = tape()
    taped.decided("other", "on_request", "failed_open")
    assert masking(taped, Concealing()).request() == REQUEST


def test_a_secret_that_came_in_two_pieces_is_masked() -> None:
    taped = tape()
    found = masking(taped, Concealing(), ("hunter2-hunter2",))
    pieces = found.attempt_answer([(0.0, b"the key hunter2-"), (1.0, b"hunter2 is wrong")])
    assert [piece.data for piece in pieces] == [b"the key ********", b"******* is wrong"]
    assert [piece.at for piece in pieces] == [0.0, 1.0]


def test_headers_that_hold_credentials_are_left_out() -> None:
    given = [
        ("Authorization", "Bearer sk-1234567890"),
        ("X-Goog-Api-Key", "abc"),
        ("set-cookie", "a=b"),
        ("Accept", "*/*"),
    ]
    assert permitted_headers(given, Scrubber()) == (("accept", "*/*"),)
    assert credentials_in(given) == ["sk-1234567890", "abc", "a=b"]
    assert not is_credential("anthropic-ratelimit-input-tokens-remaining")


def test_all_tapes_share_a_room_and_give_it_back() -> None:
    room = TapeRoom(200_000)
    timeline = Timeline(0, 0.0, lambda: 1.0)
    first, second = (Tape(timeline, 1_000_000, room) for _ in range(2))
    first.answer.add(b"x" * 150_000)
    second.answer.add(b"y" * 150_000)
    assert second.answer.size == 150_000
    assert sum(len(data) for _, data in second.answer.pieces) < 60_000
    first.budget.release()
    second.budget.release()
    assert room.left == 200_000
