"""What can go wrong with an exchange, beside the errors of the system (OSError) and of the clock (TimeoutError).

No text quotes a byte of a server: it may be what a model said, or a secret.
"""


class HttpError(Exception):
    """An exchange with a server has failed."""


class InvalidAddress(HttpError, ValueError):
    """The address of a request is not an http(s) URL of the server that is asked."""


class InvalidHeader(HttpError):
    """A header of a request could end its line, or has a name that is none."""


class NoFreeConnection(HttpError):
    """All connections that may be open to a server were in use for as long as a request waits."""


class ProxyConnectionFailed(HttpError):
    """The proxy could not be reached in time, or made no tunnel: `status` is that of its response to CONNECT."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ConnectionLost(HttpError):
    """The connection ended before the head of a response was whole."""


class ClosedWithoutResponse(ConnectionLost):
    """The connection ended before the first byte of a response, or before the request was written."""


class MalformedResponse(HttpError):
    """What came is not an HTTP response, or two readers could understand it differently."""


class TooManyInterimResponses(MalformedResponse):
    """More 1xx responses came before one response than any server has a reason for."""


class ResponseHeadTooLarge(MalformedResponse):
    """The head of a response is larger than is read."""


class BodyIncomplete(HttpError):
    """The connection, or the framing of the body, ended before the body did."""


class UndecodableBody(HttpError):
    """The body is not what its Content-Encoding says."""
