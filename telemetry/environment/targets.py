"""Where one signal's exports go by OTLP: address, protocol, headers, TLS. All of it is checked before it is used."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Literal, cast
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from telemetry.environment.variables import Variables
from telemetry.names import variables as names

Protocol = Literal["http/protobuf", "http/json", "grpc"]
Compression = Literal["none", "gzip", "deflate"]
OtlpSignal = Literal["traces", "metrics", "logs"]
PROTOCOLS: tuple[Protocol, ...] = ("http/protobuf", "http/json", "grpc")
_COMPRESSIONS: tuple[Compression, ...] = ("gzip", "deflate", "none")
_TIMEOUT = 10_000
"""Milliseconds."""


@dataclass(frozen=True)
class OtlpTarget:
    """Where and how the batches of a signal are sent."""

    signal: OtlpSignal
    protocol: Protocol
    endpoint: str
    """The whole address with HTTP; with gRPC host and port."""
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    timeout: float = _TIMEOUT / 1000
    """Seconds that a batch may take with its retries; infinite for no limit."""
    compression: Compression = "none"
    tls: bool = False
    certificate: str = ""
    """A file of certificates to trust; empty for the usual ones."""
    client_certificate: str = ""
    client_key: str = ""

    @property
    def address(self) -> str:
        """The address without what may be secret in it."""
        if self.protocol == "grpc":
            return self.endpoint
        parts = urlsplit(self.endpoint)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def read_target(
    signal: OtlpSignal, variables: Variables, is_installed: Callable[[str], bool], longest: float = inf
) -> OtlpTarget:
    """The target of a signal, whose batches take `longest` seconds at most; what is wrong goes to `variables`."""

    def of(setting: str) -> tuple[str, str]:
        return f"OTEL_EXPORTER_OTLP_{signal.upper()}_{setting}", f"OTEL_EXPORTER_OTLP_{setting}"

    protocol = cast(Protocol, variables.word(*of(names.PROTOCOL), known=PROTOCOLS, default="http/protobuf"))
    if protocol == "grpc" and not is_installed("grpc"):
        variables.refuse(variables.found(*of(names.PROTOCOL))[0], "grpc needs a package: pip install 'flowspan[grpc]'")
    compression = cast(Compression, variables.word(*of(names.COMPRESSION), known=_COMPRESSIONS, default="none"))
    if protocol == "grpc" and compression == "deflate":
        variables.refuse(variables.found(*of(names.COMPRESSION))[0], "deflate is not supported with grpc")
    specific, general = of(names.ENDPOINT)
    is_insecure = variables.flag(*of(names.INSECURE))
    if protocol == "grpc":
        endpoint, tls = _grpc_endpoint(variables, specific, general, is_insecure=is_insecure)
    else:
        endpoint, tls = _http_endpoint(variables, specific, general, signal)
    target = OtlpTarget(
        signal=signal,
        protocol=protocol,
        endpoint=endpoint,
        headers=_headers(variables, *of(names.HEADERS)),
        timeout=min(longest, variables.timeout(*of(names.TIMEOUT), default=_TIMEOUT)),
        compression=compression,
        tls=tls,
        certificate=variables.text(*of(names.CERTIFICATE)),
        client_certificate=variables.text(*of(names.CLIENT_CERTIFICATE)),
        client_key=variables.text(*of(names.CLIENT_KEY)),
    )
    _check_certificates(target, variables, of)
    return target


def _http_endpoint(variables: Variables, specific: str, general: str, signal: OtlpSignal) -> tuple[str, bool]:
    name, value = variables.found(specific, general)
    if not value:
        return f"http://localhost:4318/v1/{signal}", False
    parts = _split(value)
    if parts is None or parts.scheme not in ("http", "https"):
        variables.refuse(name, "expected an address such as http://collector:4318")
        return "", False
    if name == specific:
        return value, parts.scheme == "https"
    path = f"{parts.path.removesuffix('/')}/v1/{signal}"
    return urlunsplit(parts._replace(path=path)), parts.scheme == "https"


def _grpc_endpoint(variables: Variables, specific: str, general: str, *, is_insecure: bool) -> tuple[str, bool]:
    name, value = variables.found(specific, general)
    if not value:
        return "localhost:4317", False
    has_scheme = "://" in value
    parts = _split(value if has_scheme else f"//{value}")
    if parts is None or parts.scheme not in ("", "http", "https") or parts.path not in ("", "/"):
        variables.refuse(name, "expected an address such as http://collector:4317 or collector:4317")
        return "", False
    port = parts.port or (443 if parts.scheme == "https" else 4317)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{port}", parts.scheme == "https" or (not has_scheme and not is_insecure)


def _split(address: str) -> SplitResult | None:
    """The parts of an address; None where it has no host, or a port that is none."""
    try:
        parts = urlsplit(address)
        return parts if parts.hostname and parts.port != 0 and not any(map(str.isspace, address)) else None
    except ValueError:
        return None


def _headers(variables: Variables, *names_of_it: str) -> dict[str, str]:
    name, value = variables.found(*names_of_it)
    headers: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in value.split(","))):
        key, separator, text = pair.partition("=")
        key, text = unquote(key).strip().lower(), unquote(text).strip()
        if not separator or not key or not (key + text).isascii() or not (key + text).isprintable() or " " in key:
            variables.refuse(name, "expected headers as name=value,name=value")
            return {}
        headers[key] = text
    return headers


def _check_certificates(target: OtlpTarget, variables: Variables, of: Callable[[str], tuple[str, str]]) -> None:
    """Load the files once, so that one that is missing or holds no certificate is found at the start."""
    if target.client_key and not target.client_certificate:
        variables.refuse(variables.found(*of(names.CLIENT_KEY))[0], "a client key takes a client certificate, too")
        return
    for setting, file in (
        (names.CERTIFICATE, target.certificate),
        (names.CLIENT_CERTIFICATE, target.client_certificate),
    ):
        if not file:
            continue
        name = variables.found(*of(setting))[0]
        try:
            if setting == names.CERTIFICATE:
                ssl.create_default_context(cafile=file)
            else:
                ssl.create_default_context().load_cert_chain(file, target.client_key or None, _no_password)
        except ssl.SSLError:
            variables.refuse(name, "the file, or the key that belongs to it, is not PEM as OpenSSL reads it")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it has a password"
            variables.refuse(name, f"the file, or the key that belongs to it, cannot be read: {reason}")


def _no_password() -> str:
    raise ValueError("a key with a password")
