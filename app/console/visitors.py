"""Who may see the console, by the head of a request. Pure but for the clock of a session's end.

Without a token everybody on this machine may, and no web page of another site (`telemetry.hosts`). With one a visitor
presents it as a bearer token, or once in a form: a cookie then holds the end of the session, signed with the token. A
request that changes something has to come from a page of the console itself.
"""

import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from time import time

from telemetry.hosts import host_name, stranger

COOKIE = "flowspan_console"
SESSION = 12 * 3600
"""Seconds."""
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Refusal:
    """Why a request gets nothing. With `may_sign_in` its visitor has not yet presented the token."""

    status: int
    reason: str
    may_sign_in: bool = False


class Visitors:
    """Decides who may see the console. `allowed_hosts` are further names by which it is reached on loopback."""

    def __init__(self, token: str | None, allowed_hosts: Collection[str] = ()) -> None:
        self._token = token.encode() if token else None
        self.allow(allowed_hosts)

    def allow(self, allowed_hosts: Collection[str]) -> None:
        """Have these names from now on."""
        self._allowed = frozenset(name.lower() for name in allowed_hosts)

    @property
    def have_to_sign_in(self) -> bool:
        return self._token is not None

    def refusal(self, method: str, headers: Mapping[str, str]) -> Refusal | None:
        """Why a request is refused; None if it is not. `headers` have lower-case names."""
        if host_name(headers.get("host", "")) is None:
            return Refusal(400, "The request names no host.")
        if method not in _READING and (reason := _from_elsewhere(headers)) is not None:
            return Refusal(403, reason)
        if self._token is not None:
            known = self._has_token(headers) or self._has_session(headers)
            return None if known else Refusal(401, "The console asks for its token.", may_sign_in=True)
        if (why := stranger(headers, self._allowed)) is not None:
            return Refusal(
                403,
                f"Without a token the console is for this machine alone, and this request has a {why}. Open it as "
                "localhost, or name the host in gateway.server.allowed_hosts.",
            )
        return None

    def is_token(self, presented: str) -> bool:
        return self._token is not None and hmac.compare_digest(presented.strip().encode(), self._token)

    def session(self, now: float | None = None) -> str:
        """The cookie's value for somebody who presented the token."""
        ends = str(int((time() if now is None else now) + SESSION))
        return f"{ends}.{self._signature(ends)}"

    def _has_token(self, headers: Mapping[str, str]) -> bool:
        scheme, _, presented = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self.is_token(presented)

    def _has_session(self, headers: Mapping[str, str]) -> bool:
        ends, _, signature = cookie(headers, COOKIE).partition(".")
        if not (ends.isascii() and ends.isdecimal()) or not signature.isascii():
            return False
        return hmac.compare_digest(signature, self._signature(ends)) and int(ends[:15]) > time()

    def _signature(self, ends: str) -> str:
        return hmac.digest(self._token or b"", f"console session until {ends}".encode(), "sha256").hex()


def cookie(headers: Mapping[str, str], name: str) -> str:
    """The value of a cookie; empty where there is none, or none that can be read."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def local_path(wanted: str) -> str:
    """A path of the console to lead to: `wanted` if it is one, else the first page."""
    is_path = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if is_path else "/"


def _from_elsewhere(headers: Mapping[str, str]) -> str | None:
    """What shows that a request was not made by a page of the console; None where nothing does."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is not None and origin.partition("://")[2] != headers.get("host"):
        return "The form was sent by a page of another site."
    if site not in (None, "same-origin", "none"):
        return "The form was sent by a page of another site."
    return None
