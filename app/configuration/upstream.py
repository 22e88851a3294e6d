"""How each deployment is reached: by which proxy and with which TLS. An option stands in a model's `litellm_params`, or
in the section `gateway.upstream` for all models; of LiteLLM's own section two count as well.

Files are read here, once for a configuration, and checked: what deployments get are the texts that are in them.
"""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path as FilePath
from time import time
from typing import Any, NamedTuple, get_args
from urllib.parse import SplitResult

from msgspec import Struct

from app.backends.direct.upstream_tls import context_of
from app.certificates import BadCertificate, Part, is_pem, validity_of
from app.configuration.environment import Environment
from app.configuration.problems import Report, dotted
from app.configuration.upstream_proxies import (
    NONE,
    is_exempt,
    no_proxy_of,
    proxy_at,
    proxy_of_environment,
    split_address,
)
from app.conversion import Path
from app.providers import BackendName
from app.settings import TlsVersion, UpstreamProxy, UpstreamTls
from telemetry.hosts import host_name

_IDENTITY = ("ssl_certificate", "ssl_certificate_key", "ssl_key_password")
"""What belongs together: a model that sets one of these has all of them itself."""
_OPTION_OF: Mapping[Part, str] = {
    "bundle": "ssl_verify",
    "certificate": "ssl_certificate",
    "key": "ssl_certificate_key",
    "password": "ssl_key_password",
}
_BY_LITELLM = "LiteLLM asks this model, and has no such option for one model"
_BY_LITELLM_VERIFY = (
    "LiteLLM hands it to some providers' clients and not to others; the variables SSL_CERT_FILE and SSL_VERIFY hold "
    "for all that it asks"
)


class UpstreamSection(Struct, frozen=True):
    """How providers are reached that are asked directly. Each option may stand in a model's `litellm_params` as well,
    and counts for that model then."""

    proxy: str | None = None
    """The HTTP proxy, `http://user:password@host:port`, or `none`. Unless it is set, the variables HTTPS_PROXY,
    HTTP_PROXY and ALL_PROXY say which; what NO_PROXY lists, and loopback, is asked without one in either case."""
    ssl_verify: bool | str | None = None
    """The file of certificates that are trusted in place of the system's; `false` checks no certificate at all."""
    ssl_certificate: str | None = None
    """The file of the certificate that providers are shown, with those that lead to its issuer behind it: mutual
    TLS."""
    ssl_certificate_key: str | None = None
    """The file of its key, where that does not stand beside the certificate."""
    ssl_key_password: str | None = None
    """The password of an encrypted key."""
    ssl_minimum_version: TlsVersion | None = None
    """The oldest version of TLS that is agreed to; `TLSv1.2` unless it is set."""


class UpstreamParams(Struct, frozen=True):
    """How the provider is reached, in `litellm_params`, where it is asked directly. What is not set is that of
    `gateway.upstream`. Relative paths are from the configuration file's folder, or from where the gateway is
    started."""

    proxy: str | None = None
    """The HTTP proxy for this model, whatever NO_PROXY says, even for loopback; `none` for no proxy."""
    ssl_verify: bool | str | None = None
    """A file of certificates that are trusted in place of the system's; `false` checks none."""
    ssl_certificate: str | None = None
    """The file of the certificate that the provider is shown; `none` for none. With it, key and password are this
    model's own as well."""
    ssl_certificate_key: str | None = None
    """The file of its key, where that does not stand beside the certificate."""
    ssl_key_password: str | None = None
    """The password of an encrypted key."""
    ssl_minimum_version: TlsVersion | None = None
    """The oldest version of TLS that is agreed to."""
    ssl_server_name: str | None = None
    """The name that is asked for, and that the provider's certificate has to have, where it is not the host of
    `api_base`: an address in numbers, a port that is forwarded."""


UPSTREAM_PARAMS = frozenset(UpstreamParams.__struct_fields__)
"""The parameters that are read here, and are not the provider's."""


class Upstream(NamedTuple):
    """How one deployment is reached. `params` are what is handed to LiteLLM, where it asks."""

    proxy: UpstreamProxy | None = None
    tls: UpstreamTls = UpstreamTls()
    params: Mapping[str, Any] = {}


class _Option(NamedTuple):
    """The value of an option, and where it stands."""

    value: Any
    path: Path


class UpstreamReader:
    """Reads the options of one configuration's deployments. `defaults` are those of the section, and then those of
    LiteLLM's by the same names; each with its path."""

    def __init__(self, defaults: Mapping[str, tuple[Any, Path]], report: Report, environment: Environment) -> None:
        self._defaults = {name: _Option(*one) for name, one in defaults.items()}
        self._report = report
        self._environment = environment
        self._no_proxy = no_proxy_of(environment)
        self._known: dict[tuple[Any, ...], UpstreamTls] = {}
        """What was read of options that several deployments have in common."""
        self._now = time()

    def read(self, params: Mapping[str, Any], path: Path, backend: BackendName, base: object) -> Upstream:
        """The options of a deployment, whose parameters are at `path`. `base` is the provider's address."""
        given = {name: _Option(params[name], (*path, name)) for name in UPSTREAM_PARAMS if params.get(name) is not None}
        if backend == "simulated":
            for name, option in given.items():
                self._report.problem(option.path, f"{name} changes nothing for a model that no network leads to")
            return Upstream()
        if backend == "litellm":
            return self._by_litellm(given, path)
        address = split_address(base)
        if address is None:
            return Upstream()
        if address.scheme == "http":
            for name, option in given.items():
                if name != "proxy":
                    self._report.warning(option.path, "changes nothing: the provider's address is http")
            return Upstream(self._proxy(given, path, address))
        return Upstream(self._proxy(given, path, address), self._tls(given))

    def _by_litellm(self, given: Mapping[str, _Option], path: Path) -> Upstream:
        """What LiteLLM cannot do for one model is refused: it would ask by another way than was meant. It reads the
        variables of proxies itself."""
        for name, option in {**self._defaults, **given}.items():
            if name == "ssl_verify" or (name == "proxy" and self._is_litellms_way(option.value)):
                continue
            if name in given:
                self._report.problem(option.path, _BY_LITELLM)
            else:
                self._report.problem((*path, "model"), f"{_BY_LITELLM}, so {dotted(option.path)} cannot hold for it")
        verify = given.get("ssl_verify") or self._defaults.get("ssl_verify")
        if verify is None or (value := _verify(verify.value)) is True:
            return Upstream()
        if isinstance(value, str):
            value = str(self._located(value))
        self._report.warning(verify.path, _BY_LITELLM_VERIFY)
        return Upstream(params={"ssl_verify": value})

    def _is_litellms_way(self, proxy: object) -> bool:
        """Whether LiteLLM, which goes by the variables, does as the gateway's proxy says."""
        variables = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
        return proxy == NONE and not any(map(self._environment.get, variables))

    def _proxy(self, given: Mapping[str, _Option], path: Path, address: SplitResult) -> UpstreamProxy | None:
        option = given.get("proxy") or self._defaults.get("proxy")
        if option is not None and (option.value is False or option.value == NONE):
            return None
        if "proxy" not in given and is_exempt(address, self._no_proxy):
            return None
        try:
            if option is None:
                return proxy_of_environment(address, self._environment, (*path, "model"))
            source = "litellm_params.proxy" if "proxy" in given else "gateway.upstream.proxy"
            return proxy_at(option.value if isinstance(option.value, str) else "", source)
        except ValueError as error:
            self._report.problem((*path, "model") if option is None else option.path, str(error))
            return None

    def _tls(self, given: Mapping[str, _Option]) -> UpstreamTls:
        options = {**self._defaults, **given}
        if any(name in given for name in _IDENTITY):
            options = {name: one for name, one in options.items() if name in given or name not in _IDENTITY}
        options.pop("proxy", None)
        key = tuple(sorted((name, str(one.value)) for name, one in options.items()))
        if key not in self._known:
            self._known[key] = self._read_tls(options)
        return self._known[key]

    def _read_tls(self, options: Mapping[str, _Option]) -> UpstreamTls:
        before = len(self._report.problems)
        verify = _verify(options["ssl_verify"].value) if "ssl_verify" in options else True
        bundle = options["ssl_verify"]._replace(value=verify) if isinstance(verify, str) else None
        certificate, key = (self._pem(options.get(name)) for name in ("ssl_certificate", "ssl_certificate_key"))
        if certificate is None and "ssl_certificate" not in options:
            for name in _IDENTITY[1:]:
                if name in options:
                    self._report.problem(options[name].path, "changes nothing without ssl_certificate")
        tls = UpstreamTls(
            verify=verify is not False,
            **self._bundle(bundle),
            certificate=certificate,
            key=key if certificate else None,
            key_password=self._text(options.get("ssl_key_password")) if certificate else None,
            minimum_version=self._version(options.get("ssl_minimum_version")),
            server_name=self._server_name(options.get("ssl_server_name")),
        )
        lacks = any(self._report.lacks(one.path) for one in options.values())
        if len(self._report.problems) == before and not lacks:
            self._check(tls, options)
        return tls

    def _check(self, tls: UpstreamTls, options: Mapping[str, _Option]) -> None:
        try:
            context_of(tls)
            if tls.certificate is not None:
                self._check_end(tls.certificate, options["ssl_certificate"].path)
        except BadCertificate as error:
            # A key stands beside its certificate where it has no file for itself, and a password may be wanting.
            name = _OPTION_OF[error.part]
            at = next(options[one] for one in (name, "ssl_certificate_key", "ssl_certificate") if one in options)
            self._report.problem(at.path, str(error) if at is options.get(name) else f"{name} {error}")

    def _check_end(self, certificate: str, path: Path) -> None:
        if (warning := validity_of(certificate).warning(self._now)) is not None:
            self._report.warning(path, f"the certificate {warning}")

    def _pem(self, option: _Option | None) -> str | None:
        """The text of a file; one in PEM in place of a path is taken as it is, as a variable may hold it."""
        value = self._text(option)
        if option is None or value is None or value == NONE:
            return None
        return value if is_pem(value) else self._environment.secret(str(self._located(value)), option.path)

    def _bundle(self, option: _Option | None) -> dict[str, str]:
        """A file of them is too long to be handed about, so its path stands for it."""
        text = self._pem(option)
        if option is None or text is None or text == option.value:
            return {} if text is None else {"bundle": text}
        return {"bundle": str(self._located(option.value)), "bundle_digest": sha256(text.encode()).hexdigest()}

    def _located(self, path: str) -> FilePath:
        beside = FilePath(self._report.file).parent / path
        return beside if beside.exists() else FilePath(path)

    def _text(self, option: _Option | None) -> str | None:
        if option is None or option.value is False:
            return None
        if isinstance(option.value, str) and option.value:
            return option.value
        self._report.problem(option.path, "expected text")
        return None

    def _version(self, option: _Option | None) -> TlsVersion | None:
        for version in get_args(TlsVersion):
            if option is not None and option.value == version:
                return version  # type: ignore[no-any-return]  # one of the choices
        if option is not None:
            self._report.problem(option.path, f"expected {' or '.join(get_args(TlsVersion))}")
        return None

    def _server_name(self, option: _Option | None) -> str | None:
        name = self._text(option)
        if option is not None and name is not None and host_name(name) != name.lower():
            self._report.problem(option.path, "expected the name or address of a host, without scheme and port")
        return name


def _verify(value: object) -> bool | str:
    """Whether certificates are checked, or by which bundle: a variable holds `true` and `false` as texts."""
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    return value if isinstance(value, bool | str) else True
