"""nginx, run out of a folder that has all of its files."""

import os
from pathlib import Path

from tests.real.programs import need

_AROUND = """
daemon off;
{user}
worker_processes 1;
error_log stderr warn;
pid {folder}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{http}
}}
"""


def nginx_command(folder: Path, http: str) -> list[str]:
    """The command that runs it; `http` is what stands in the block of that name."""
    # Else its worker would be somebody who may not read the folder.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(_AROUND.format(folder=folder, user=user, http=http))
    return [need("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
