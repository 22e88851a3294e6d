import pytest

from app.backends.direct.body_forms import form_of


@pytest.mark.parametrize(
    ("start", "form"),
    [
        (b'{"id"', "json"),
        (b"\n\n  {", "json"),
        (b"\xef\xbb\xbf{", "json"),
        (b"[", "json"),
        (b"data: {", "events"),
        (b"data:{", "events"),
        (b"\r\n\r\nevent: x", "events"),
        (b": keepalive", "events"),
        (b"id:1", "events"),
        (b"retry: 5", "events"),
        (b"data\n", "events"),
        (b"\xef\xbb\xbfdata:", "events"),
        (b"", None),
        (b" \n", None),
        (b"d", None),
        (b"even", None),
        (b"dated", "other"),
        (b"<html>", "other"),
        (b"hello", "other"),
        (b"\x1f\x8b", "other"),
    ],
)
def test_the_first_bytes_tell_what_a_body_is(start: bytes, form: str | None) -> None:
    assert form_of(start) == form
