"""Where an error has its words, and what is none although it looks like one."""

import json
from typing import Any

import pytest

from app.backends.error_reports import is_error, report_in, report_of


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"type": "ping"},
        {"type": "message_start", "message": {"content": [], "detail": "x"}},
        {"type": "response.output_text.delta", "delta": "error", "code": "x"},
        {"choices": [{"message": {"content": "x"}}], "message": "welcome", "errors": ["none"]},
        {"choices": [{"delta": {}, "error": None}], "error": None, "base_resp": {"status_code": 0}},
        {"base_resp": {"status_code": "0"}},
        {"base_resp": None, "code": 5},
        {"code": 0, "msg": "success", "data": {}},
        {"success": True, "message": "fine"},
        {"error": False, "message": "fine"},
        {"error_code": 0, "error_msg": ""},
        {"error_msg": "unused", "result": "an answer"},
        {"usage": {"message": "x"}},
    ],
)
def test_what_is_no_error(payload: dict[str, Any]) -> None:
    assert not is_error(payload)


@pytest.mark.parametrize(
    ("payload", "words", "status"),
    [
        ({"error": {"message": "no", "code": 404}}, "no", 404),
        ({"error": "no", "status": 429}, "no", 429),
        ({"errors": [{"message": "no", "code": "rate_limit_exceeded"}]}, "no (rate_limit_exceeded)", 429),
        ({"errors": ["no", "never"]}, "no; never", None),
        ({"detail": [{"loc": ["body", 0, "x"], "msg": "no"}]}, "body.0.x: no", None),
        ({"object": "error", "message": {"detail": [{"msg": "no"}]}}, "no", None),
        ({"error_code": 110, "error_msg": "no"}, "no (authentication_error)", 401),
        ({"error_code": 4711, "error_msg": "no"}, "no", None),
        ({"error_code": [7], "error_msg": "no"}, "no", None),
        ({"base_resp": {"status_code": 1026, "status_msg": "no"}, "choices": []}, "no (content_filter)", 400),
        ({"base_resp": {"status_code": [], "status_msg": "no"}}, "no", None),
        ({"throttlingException": {"message": "no"}}, "no (ThrottlingException)", 429),
        ({"__type": "a.b#ValidationException:http://c", "message": "no"}, "no (ValidationException)", 400),
        ({"message": "no", "statusCode": 503, "error": "Unavailable"}, "no (Unavailable)", 503),
        ({"fault": {"faultstring": "no", "detail": {"errorcode": "x"}}}, "no (Fault)", None),
        ({"choices": [{"error": {"message": "no", "code": 502}}]}, "no", 502),
        ({"error": {"message": "m", "metadata": {"raw": '{"detail": "no"}'}}}, "m: no", None),
        ({"error": {"message": "m", "metadata": {"raw": "too many requests"}}}, "m: too many requests", 429),
        ({"error": {"message": "m", "metadata": {"raw": {"message": "no"}}}}, "m: no", None),
        ({"error": {"message": "m no", "metadata": {"raw": "no"}}}, "m no", None),
        ({"error": True}, "", None),
        ({"error": {"code": {"a": 1}}}, "", None),
    ],
)
def test_words_and_status(payload: dict[str, Any], words: str, status: int | None) -> None:
    assert is_error(payload)
    report = report_of(payload)
    assert (report.labelled, report.status) == (words, status)
    assert report_in(json.dumps([payload]).encode()).labelled == words


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html><title>\n Bad &lt;b&gt;\n gateway</title>secret", "The provider sent a page: Bad <b> gateway"),
        (b"<html><body>secret", ""),
        (b"<html><title>" + b"x" * 900 + b"</title>", "The provider sent a page: " + "x" * 200),
        (b" Bad gateway\n", "Bad gateway"),
        (b"{half of", ""),
        (b"\xff\xfe\x00", ""),
        (b"a\x00b", ""),
        (b"", ""),
        (b"[]", ""),
        (b"7", ""),
        (b"[" * 9000, ""),
    ],
)
def test_bodies_that_are_no_object(body: bytes, words: str) -> None:
    assert report_in(body).message == words


def test_data_of_an_event_that_is_named_error() -> None:
    assert report_in(b'"Rate limit"').status == 429
    assert report_in(b"overloaded").message == "overloaded"
    assert report_in(b'[{"error": "no"}]').message == "no"
    assert report_in(b"null").message == ""
