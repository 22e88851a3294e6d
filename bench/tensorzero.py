"""TensorZero's HTTP gateway, which its Python package holds: `python -m bench.tensorzero CONFIG PORT_FILE`.

It takes a port of its own, which is written to the file.
"""

import asyncio
import sys
from pathlib import Path
from urllib.parse import urlsplit

from tensorzero.tensorzero import _start_http_gateway


async def main(configuration: str, port_file: Path) -> None:
    gateway = await _start_http_gateway(
        config_file=configuration, clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=True
    )
    written = port_file.with_suffix(".part")
    written.write_text(str(urlsplit(gateway.base_url).port))
    written.rename(port_file)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
