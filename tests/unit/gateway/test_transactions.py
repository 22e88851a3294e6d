"""What of a request's head counts."""

from app.gateway.transactions import header_map


def test_a_list_may_be_spread_over_several_headers_and_of_others_the_last_one_counts() -> None:
    headers = [
        (b"anthropic-beta", b"one,two"),
        (b"x-api-key", b"a"),
        (b"anthropic-beta", b"three"),
        (b"x-api-key", b"b"),
    ]
    assert header_map({"headers": headers}) == {"anthropic-beta": "one,two,three", "x-api-key": "b"}
