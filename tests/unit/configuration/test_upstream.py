"""How providers are reached: by which proxy, with which TLS, and what is wrong with it."""

from datetime import timedelta
from pathlib import Path

import pytest

from app.configuration import ConfigurationRefused, load
from app.settings import Deployment, UpstreamProxy, UpstreamTls
from tests.certificates import Authority, Issued
from tests.unit.configuration.reading import only_deployment, problems, read, warnings

PASSWORD = "open-sesame"
PROXY = f"http://me:{PASSWORD}@proxy.test:3128"
AUTHORIZATION = "Basic bWU6b3Blbi1zZXNhbWU="


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def issued(authority: Authority) -> Issued:
    return authority.issue("client")


def entry(options: str = "", model: str = "openai/m", base: str = "https://model.test/v1") -> str:
    params = ", ".join(filter(None, (f"model: {model}", f"api_base: '{base}'", "api_key: k", options)))
    return f"{{model_name: m, litellm_params: {{{params}}}}}"


def with_section(options: str, *entries: str) -> str:
    models = "".join(f"- {one}\n" for one in entries or [entry()])
    return f"gateway: {{upstream: {{{options}}}}}\nmodel_list:\n{models}"


def proxy(options: str = "", base: str = "https://model.test/v1", **environ: str) -> UpstreamProxy | None:
    return only_deployment(entry(options, base=base), **environ).proxy


def deployment(text: str, **environ: str) -> Deployment:
    (found,) = read(text, **environ).settings.deployments
    return found


def address(found: UpstreamProxy | None) -> str | None:
    return None if found is None else found.address


def test_without_any_a_provider_is_asked_directly_with_the_usual_tls() -> None:
    found = only_deployment(entry())
    assert found.proxy is None
    assert found.tls == UpstreamTls()


def test_a_models_proxy_counts_before_the_gateways_and_that_before_the_environment() -> None:
    environ = {"HTTPS_PROXY": "http://variable.test:1"}
    section = "proxy: 'http://section.test:2'"
    by_model = entry("proxy: 'http://own.test:3'")
    assert proxy(**environ) == UpstreamProxy("http://variable.test:1", None, "HTTPS_PROXY")
    assert deployment(with_section(section), **environ).proxy == UpstreamProxy(
        "http://section.test:2", None, "gateway.upstream.proxy"
    )
    assert deployment(with_section(section, by_model), **environ).proxy == UpstreamProxy(
        "http://own.test:3", None, "litellm_params.proxy"
    )
    assert deployment(with_section(section, entry("proxy: none")), **environ).proxy is None
    assert deployment(with_section("proxy: none"), **environ).proxy is None


@pytest.mark.parametrize(
    ("base", "environ", "expected"),
    [
        ("https://model.test", {"HTTP_PROXY": "http://p.test:1"}, None),
        ("http://model.test", {"HTTP_PROXY": "http://p.test:1"}, "http://p.test:1"),
        ("http://model.test", {"HTTPS_PROXY": "http://p.test:1"}, None),
        ("http://model.test", {"ALL_PROXY": "p.test:1"}, "http://p.test:1"),
        ("https://model.test", {"ALL_PROXY": "http://p.test:1", "HTTPS_PROXY": "http://q.test:2"}, "http://q.test:2"),
        ("https://model.test", {"https_proxy": "http://p.test:1", "HTTPS_PROXY": "http://q.test:2"}, "http://p.test:1"),
        ("https://model.test", {"HTTPS_PROXY": "http://p.test"}, "http://p.test:80"),
        ("https://model.test", {"HTTPS_PROXY": "http://[fd00::1]:8/"}, "http://[fd00::1]:8"),
    ],
)
def test_the_variables_are_read_as_every_tool_reads_them(
    base: str, environ: dict[str, str], expected: str | None
) -> None:
    assert address(proxy(base=base, **environ)) == expected


def test_a_variable_may_be_declared_in_the_file_or_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "proxy").write_text(f"{PROXY}\n")
    declared = f"environment_variables: {{HTTPS_PROXY: '{PROXY}'}}\nmodel_list:\n- {entry()}\n"
    for found in (deployment(declared).proxy, proxy(HTTPS_PROXY_FILE=str(tmp_path / "proxy"))):
        assert found is not None
        assert (found.address, found.authorization) == ("http://proxy.test:3128", AUTHORIZATION)
    configuration = read(f"model_list:\n- {entry()}\n", HTTPS_PROXY_FILE=str(tmp_path / "proxy"))
    assert str(tmp_path / "proxy") in configuration.files


@pytest.mark.parametrize(
    ("base", "no_proxy", "is_exempt"),
    [
        ("https://model.test", "model.test", True),
        ("https://a.model.test", "model.test", True),
        ("https://a.model.test", ".model.test", True),
        ("https://a.model.test", "*.model.test", True),
        ("https://MODEL.test", " other.test , Model.Test", True),
        ("https://amodel.test", "model.test", False),
        ("https://model.test", "a.model.test", False),
        ("https://model.test", "*", True),
        ("https://model.test:8443", "model.test:8443", True),
        ("https://model.test:8443", "model.test:443", False),
        ("https://model.test", "model.test:443", True),
        ("https://10.1.2.3", "10.0.0.0/8", True),
        ("https://10.1.2.3", "10.1.2.3", True),
        ("https://11.1.2.3", "10.0.0.0/8", False),
        ("https://[fd00::1]", "fd00::/8", True),
        ("https://[fd00::1]:8443", "[fd00::1]", True),
        ("https://model.test", "10.0.0.0/8,,", False),
        ("https://localhost:1", "", True),
        ("https://127.0.0.1:1", "", True),
        ("https://[::1]:1", "", True),
    ],
)
def test_what_is_listed_and_this_machine_are_asked_without_a_proxy(base: str, no_proxy: str, is_exempt: bool) -> None:
    environ = {"HTTPS_PROXY": "http://p.test:1", "NO_PROXY": no_proxy}
    assert (proxy(base=base, **environ) is None) == is_exempt
    section = with_section("proxy: 'http://p.test:1'", entry(base=base))
    assert (deployment(section, NO_PROXY=no_proxy).proxy is None) == is_exempt
    # Who says it of one model means it.
    assert proxy("proxy: 'http://own.test:3'", base=base, **environ) is not None


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (f"socks5://me:{PASSWORD}@p.test:1080", "is a SOCKS proxy, which is not supported"),
        (f"socks5h://me:{PASSWORD}@p.test", "is a SOCKS proxy, which is not supported"),
        (f"https://me:{PASSWORD}@p.test", "is a proxy that is asked by TLS itself, which is not supported"),
        (f"ftp://me:{PASSWORD}@p.test", "is no address of an HTTP proxy"),
        (f"http://me:{PASSWORD}@", "is no address of an HTTP proxy"),
        (f"http://me:{PASSWORD}@p.test:x", "is no address of an HTTP proxy"),
        (f"http://me:{PASSWORD}@p.test/path", "is no address of an HTTP proxy"),
        ("", "is no address of an HTTP proxy"),
    ],
)
def test_what_is_no_http_proxy_is_refused_where_it_stands_and_shows_no_password(written: str, words: str) -> None:
    by_model = problems(f"model_list:\n- {entry()}\n- {entry(f'''proxy: {written!r}''')}\n")
    assert [line.startswith(f"f.yaml:3: model_list[1].litellm_params.proxy: {words}") for line in by_model] == [True]
    section = problems(f"model_list:\n- {entry()}\ngateway:\n  upstream:\n    proxy: {written!r}\n")
    assert [line.startswith(f"f.yaml:5: gateway.upstream.proxy: {words}") for line in section] == [True]
    assert PASSWORD not in str(by_model + section)
    if written:
        variable = problems(f"model_list:\n- {entry()}\n", ALL_PROXY=written)
        expected = f"f.yaml:2: model_list[0].litellm_params.model: the environment variable ALL_PROXY {words}"
        assert [line.startswith(expected) for line in variable] == [True]
        assert PASSWORD not in str(variable)
        # Where it would lead nobody astray it is nobody's business.
        assert proxy(base="https://localhost:1", ALL_PROXY=written) is None


def test_credentials_of_a_proxy_are_secrets() -> None:
    found = only_deployment(entry(f"proxy: '{PROXY}'"))
    assert found.proxy == UpstreamProxy("http://proxy.test:3128", AUTHORIZATION, "litellm_params.proxy")
    assert {PASSWORD, AUTHORIZATION.removeprefix("Basic ")} <= set(found.secrets())
    assert "proxy" not in found.params
    assert PASSWORD not in repr(found)
    assert AUTHORIZATION.removeprefix("Basic ") not in repr(found)
    escaped = only_deployment(entry("proxy: 'http://me:p%40ss-word@proxy.test:1'"))
    assert "p@ss-word" in set(escaped.secrets())


def identity(issued: Issued) -> str:
    return f"ssl_certificate: '{issued.certificate}', ssl_certificate_key: '{issued.key}'"


def test_certificates_are_read_when_the_configuration_is(authority: Authority, issued: Issued) -> None:
    bundle = f"ssl_verify: '{authority.certificate}'"
    text = with_section(f"{bundle}, {identity(issued)}, ssl_minimum_version: TLSv1.3")
    configuration = read(text)
    (found,) = configuration.settings.deployments
    tls = found.tls
    assert (tls.verify, tls.bundle) == (True, str(authority.certificate))
    assert len(tls.bundle_digest) == 64
    assert tls.certificate == issued.certificate.read_text().rstrip("\n")
    assert tls.key == issued.key.read_text().rstrip("\n")
    assert tls.minimum_version == "TLSv1.3"
    assert "PRIVATE" not in repr(found)
    assert not set(found.params) & {"ssl_verify", "ssl_certificate", "ssl_certificate_key"}
    assert {str(one) for one in (authority.certificate, issued.certificate, issued.key)} <= set(configuration.files)


def test_a_model_has_its_own_where_it_says_so(authority: Authority, issued: Issued) -> None:
    other = authority.issue("other", password=PASSWORD)
    section = f"{identity(issued)}, ssl_verify: false"
    by_model = entry(f"{identity(other)}, ssl_key_password: {PASSWORD}, ssl_verify: true, ssl_server_name: inner.test")
    text = with_section(section, entry(), by_model, entry("ssl_certificate: none"))
    usual, special, nobody = read(text).settings.deployments
    assert usual.tls == UpstreamTls(False, certificate=usual.tls.certificate, key=usual.tls.key)
    assert special.tls.certificate == other.certificate.read_text().rstrip("\n")
    assert (special.tls.verify, special.tls.key_password) == (True, PASSWORD)
    assert special.tls.server_name == "inner.test"
    assert PASSWORD in set(special.secrets())
    assert nobody.tls == UpstreamTls(False)


def test_litellms_own_two_options_count_where_the_gateways_do_not(
    authority: Authority, issued: Issued, tmp_path: Path
) -> None:
    both = tmp_path / "both.pem"
    both.write_text(issued.key.read_text() + issued.certificate.read_text())
    options = f"litellm_settings: {{ssl_verify: '{authority.certificate}', ssl_certificate: '{both}'}}\n"
    found = deployment(f"{options}model_list:\n- {entry()}\n")
    assert found.tls.bundle == str(authority.certificate)
    assert found.tls.certificate == both.read_text().rstrip("\n")
    assert found.tls.key is None
    assert deployment(f"{options}{with_section('ssl_verify: false')}").tls.verify is False
    for written in ("true", "'True'"):
        assert deployment(f"litellm_settings: {{ssl_verify: {written}}}\nmodel_list:\n- {entry()}\n").tls.verify


def test_texts_in_pem_may_stand_in_variables(authority: Authority, issued: Issued) -> None:
    options = "ssl_verify: os.environ/CA, ssl_certificate: os.environ/PEM"
    pem = issued.certificate.read_text() + issued.key.read_text()
    found = only_deployment(entry(options), CA=authority.certificate.read_text(), PEM=pem)
    assert (found.tls.bundle, found.tls.certificate) == (authority.certificate.read_text(), pem)
    assert only_deployment(entry("ssl_verify: os.environ/CA"), CA="False").tls == UpstreamTls(False)


def test_relative_paths_are_from_the_files_folder_or_the_working_directory(
    issued: Issued, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, here = tmp_path / "etc", tmp_path / "here"
    folder.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    (folder / "beside.pem").write_text(issued.certificate.read_text())
    (here / "there.key").write_text(issued.key.read_text())
    file = folder / "config.yaml"
    file.write_text(f"model_list:\n- {entry('ssl_certificate: beside.pem, ssl_certificate_key: there.key')}\n")
    (found,) = load(file, {}).settings.deployments
    assert found.tls.key == issued.key.read_text().rstrip("\n")


def test_what_cannot_be_used_is_refused_with_its_line(authority: Authority, issued: Issued, tmp_path: Path) -> None:
    other, locked = authority.issue("another"), authority.issue("locked", password=PASSWORD)
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("no certificate")
    certificate, key = issued.certificate, issued.key
    gone = tmp_path / "gone.pem"
    wrong = [
        (f"ssl_verify: '{gone}'", "ssl_verify", "cannot be read: No such file or directory"),
        (f"ssl_verify: '{rubbish}'", "ssl_verify", "has no certificate in PEM"),
        (f"ssl_certificate: '{gone}'", "ssl_certificate", "cannot be read: No such file or directory"),
        (f"ssl_certificate: '{rubbish}'", "ssl_certificate", "has no certificate in PEM"),
        (f"ssl_certificate: '{certificate}'", "ssl_certificate", "ssl_certificate_key is missing"),
        (
            f"ssl_certificate: '{certificate}', ssl_certificate_key: '{other.key}'",
            "ssl_certificate_key",
            "does not belong to the certificate",
        ),
        (
            f"ssl_certificate: '{certificate}', ssl_certificate_key: '{gone}'",
            "ssl_certificate_key",
            "cannot be read: No such file or directory",
        ),
        (identity(locked), "ssl_certificate_key", "ssl_key_password is missing, and the key is encrypted"),
        (f"{identity(locked)}, ssl_key_password: wrong-word", "ssl_key_password", "does not open the key"),
        (f"ssl_certificate_key: '{key}'", "ssl_certificate_key", "changes nothing without ssl_certificate"),
        ("ssl_minimum_version: TLSv1.1", "ssl_minimum_version", "expected TLSv1.2 or TLSv1.3"),
        ("ssl_server_name: 'https://x.test'", "ssl_server_name", "expected the name or address of a host"),
        ("ssl_certificate: 7", "ssl_certificate", "expected text"),
    ]
    for options, name, words in wrong:
        [line] = problems(f"model_list:\n- {entry()}\n- {entry(options)}\n")
        assert line.startswith(f"f.yaml:3: model_list[1].litellm_params.{name}: "), (options, line)
        assert words in line, (options, line)
    [line] = problems(f"model_list:\n- {entry()}\ngateway:\n  upstream:\n    ssl_certificate: '{certificate}'\n")
    assert line.startswith("f.yaml:5: gateway.upstream.ssl_certificate: ssl_certificate_key is missing")


@pytest.mark.parametrize(
    ("begins", "ends", "words"),
    [
        (-9, -1, "the certificate expired at "),
        (-9, 3, "the certificate expires soon, at "),
        (1, 9, "the certificate holds only from "),
        (-9, 30, None),
    ],
)
def test_a_certificate_out_of_its_time_is_warned_of(
    authority: Authority, begins: int, ends: int, words: str | None
) -> None:
    one = authority.issue(f"from{begins}to{ends}", begins=timedelta(days=begins), ends=timedelta(days=ends))
    found = warnings(f"model_list:\n- {entry(identity(one))}\n")
    expected = [] if words is None else [f"f.yaml:2: model_list[0].litellm_params.ssl_certificate: {words}"]
    assert [line.startswith(start) for line, start in zip(found, expected, strict=True)] == [True] * len(expected)


def test_files_that_are_elsewhere_are_warned_of_where_they_are_not_needed(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    options = "ssl_verify: /run/ca.pem, ssl_certificate: /run/c.pem, ssl_certificate_key: /run/c.key"
    file.write_text(f"model_list:\n- {entry(options)}\n")
    configuration = load(file, {}, needs_environment=False)
    assert len(configuration.warnings) == 3
    with pytest.raises(ConfigurationRefused):
        load(file, {})


def test_for_a_provider_without_tls_certificates_change_nothing(issued: Issued) -> None:
    options = f"{identity(issued)}, ssl_verify: false"
    found = warnings(f"model_list:\n- {entry(options, base='http://model.test')}\n")
    assert [line.rpartition(": ")[0].endswith("changes nothing") for line in found] == [True] * 3


def test_models_that_litellm_asks_are_refused_what_it_cannot_do() -> None:
    by_litellm = "bedrock/anthropic.claude-3"
    by_model = problems(f"model_list:\n- {entry(f'''proxy: '{PROXY}', ssl_server_name: x.test''', model=by_litellm)}\n")
    assert sorted(line.partition(": ")[2].partition(":")[0] for line in by_model) == [
        "model_list[0].litellm_params.proxy",
        "model_list[0].litellm_params.ssl_server_name",
    ]
    [line] = problems(with_section(f"proxy: '{PROXY}'", entry(), entry(model=by_litellm)))
    assert line.startswith("f.yaml:4: model_list[1].litellm_params.model: LiteLLM asks this model")
    assert "gateway.upstream.proxy cannot hold for it" in line
    [line] = problems(with_section("proxy: none", entry(model=by_litellm)), HTTPS_PROXY="http://p.test:1")
    assert "gateway.upstream.proxy cannot hold for it" in line
    # It goes by the variables itself.
    assert deployment(with_section("proxy: none", entry(model=by_litellm))).proxy is None
    assert only_deployment(entry(model=by_litellm), HTTPS_PROXY="http://p.test:1").proxy is None
    assert PASSWORD not in str(by_model)


def test_litellm_is_handed_how_certificates_are_checked_with_a_warning(authority: Authority) -> None:
    text = (
        f"model_list:\n- {entry(f'''ssl_verify: '{authority.certificate}' ''', model='bedrock/anthropic.claude-3')}\n"
    )
    assert deployment(text).params["ssl_verify"] == str(authority.certificate)
    [line] = warnings(text)
    assert line.startswith("f.yaml:2: model_list[0].litellm_params.ssl_verify: LiteLLM hands it to some providers'")
    section = with_section("ssl_verify: false", entry(model="bedrock/anthropic.claude-3"))
    assert deployment(section).params["ssl_verify"] is False


@pytest.mark.parametrize("model", ["simulated/echo", "simulated/replay:bundle.zip"])
def test_models_without_a_network_are_refused_a_way_there(model: str) -> None:
    found = problems(f"model_list:\n- {{model_name: m, litellm_params: {{model: '{model}', proxy: '{PROXY}'}}}}\n")
    assert any(line.startswith("f.yaml:2: model_list[0].litellm_params.proxy: proxy changes nothing") for line in found)
    section = f"gateway: {{upstream: {{proxy: '{PROXY}'}}}}\n"
    simulated = f"{section}model_list:\n- {{model_name: m, litellm_params: {{model: simulated/echo}}}}\n"
    assert deployment(simulated).proxy is None


def test_every_model_behind_a_wildcard_goes_the_same_way() -> None:
    text = "{model_name: 'anthropic/*', litellm_params: {model: 'anthropic/*', api_key: k}}"
    assert address(only_deployment(text, HTTPS_PROXY=PROXY).proxy) == "http://proxy.test:3128"
