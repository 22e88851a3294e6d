"""A caller's own credential for a provider, on its way through the gateway."""

from typing import Final

API_KEY: Final = "x-api-key"
AUTHORIZATION: Final = "authorization"
ACCOUNT: Final = "chatgpt-account-id"
"""Beside the token of a login with ChatGPT: which of its accounts is meant. No other API knows it."""


class ClientCredential:
    """The credential that came beside the gateway's own key, or in its place where there are no keys.

    It is shown nowhere: it has no readable representation, no encoder takes it, and only the backend of a deployment
    with `credentials: client` asks for its headers.
    """

    __slots__ = ("_headers",)

    def __init__(self, headers: dict[str, str]) -> None:
        self._headers = headers

    def __repr__(self) -> str:
        return "<a caller's credential>"

    def headers(self, *, bearer_only: bool) -> dict[str, str]:
        """The headers for a provider, as they came. With `bearer_only`, for an API that knows no `x-api-key`, a key
        that came there is sent as a bearer token."""
        if bearer_only and AUTHORIZATION not in self._headers:
            return {AUTHORIZATION: f"Bearer {self._headers[API_KEY]}"}
        left_out = API_KEY if bearer_only else ACCOUNT
        return {name: value for name, value in self._headers.items() if name != left_out}
