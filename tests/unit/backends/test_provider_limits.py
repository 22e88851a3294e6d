import pytest

from app.backends.provider_limits import allowances


def test_what_is_left_is_read_with_its_limit_where_that_is_told() -> None:
    headers = {
        "x-ratelimit-limit-tokens": "150000",
        "x-ratelimit-remaining-tokens": "149984",
        "x-ratelimit-reset-tokens": "6m0s",
        "anthropic-ratelimit-output-tokens-remaining": "8000",
    }
    assert list(allowances(headers)) == [("tokens", 150000, 149984), ("output_tokens", None, 8000)]


@pytest.mark.parametrize("text", ["", "-1", "1.5", "unlimited", "9" * 16, "٣"])
def test_what_is_no_number_is_not_told(text: str) -> None:
    assert not list(allowances({"x-ratelimit-remaining-requests": text}))
