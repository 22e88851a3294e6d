"""The proxies of the folder `deploy`, run by their very files: only ports, names of files and the gateways' addresses
are put in place of those that stand there."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from tests.real.fetched import envoy_server
from tests.real.nginx import nginx_command
from tests.real.programs import ROOT, Process, free_port, listens, need

NGINX = ROOT / "deploy" / "nginx" / "flowspan.conf"
ENVOY = ROOT / "deploy" / "envoy" / "envoy.yaml"
NAMES = ("nginx", "envoy")


@contextmanager
def deployed(name: str, folder: Path, gateways: Sequence[int]) -> Iterator[int]:
    """The port of nginx or Envoy, which speaks TLS there, before gateways on these ports."""
    port = free_port()
    certificate, key = _certificate(folder)
    command = (_nginx if name == "nginx" else _envoy)(folder, port, gateways, certificate, key)
    with Process(command, folder / f"{name}.log") as process:
        process.until(lambda: listens(port), "it listens")
        yield port


def _nginx(folder: Path, port: int, gateways: Sequence[int], certificate: Path, key: Path) -> list[str]:
    text = NGINX.read_text()
    parameters = " max_fails=1 fail_timeout=5s;"
    text = _replaced(text, "listen 443 ssl http2;", f"listen 127.0.0.1:{port} ssl http2;")
    text = _replaced(text, "/etc/nginx/llm.example.com.pem", str(certificate))
    text = _replaced(text, "/etc/nginx/llm.example.com.key", str(key))
    servers = "\n".join(f"server 127.0.0.1:{gateway}{parameters}" for gateway in gateways)
    (folder / "flowspan.conf").write_text(_replaced(text, f"server 127.0.0.1:8080{parameters}", servers))
    return nginx_command(folder, f"    include {folder}/flowspan.conf;")


def _envoy(folder: Path, port: int, gateways: Sequence[int], certificate: Path, key: Path) -> list[str]:
    text = _replaced(ENVOY.read_text(), "/etc/envoy/llm.example.com.pem", str(certificate))
    text = _replaced(text, "/etc/envoy/llm.example.com.key", str(key))
    text = _replaced(text, "{address: 0.0.0.0, port_value: 443}", f"{{address: 127.0.0.1, port_value: {port}}}")
    config = yaml.safe_load(text)
    (cluster,) = config["static_resources"]["clusters"]
    (locality,) = cluster["load_assignment"]["endpoints"]
    (endpoint,) = locality["lb_endpoints"]
    one = json.dumps(endpoint)
    locality["lb_endpoints"] = [json.loads(_replaced(one, "8080", str(gateway))) for gateway in gateways]
    file = folder / "envoy.yaml"
    file.write_text(json.dumps(config))
    return [envoy_server(), "-c", str(file), "--concurrency", "1", "--log-level", "warning", "--use-dynamic-base-id"]


def _replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
    return text.replace(old, new)


def _certificate(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = [need("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=llm.example.com"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return certificate, key
