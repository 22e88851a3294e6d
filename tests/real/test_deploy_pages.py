"""docs/deploy/docker.md, followed to the letter as far as this machine can.

Its files are written by its own commands, run in the image, and asked as it says. Each command of Docker's is read by
Docker's own program, which then finds no daemon.
"""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.behaviour.gateway import until
from tests.real.image import Container, Image, built_image
from tests.real.programs import ROOT, free_port, need

pytestmark = pytest.mark.timeout(1800)
PAGE = (ROOT / "docs" / "deploy" / "docker.md").read_text()


def commands(page: str) -> list[str]:
    """What a page says at a prompt, each with its further lines."""
    found: list[str] = []
    for block in re.findall(r"```console\n(.*?)```", page, re.DOTALL):
        found += [part.rstrip() for part in re.split(r"^\$ ", block, flags=re.MULTILINE) if part.strip()]
    return found


COMMANDS = commands(PAGE)
DOCKER = [one for one in COMMANDS if re.search(r"(^|&& )docker (?!compose)", one) and " ... " not in one]


def in_shell(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    words = ["bash", "-c", command]
    return subprocess.run(
        words, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("command", DOCKER)
def test_docker_understands_every_command(command: str) -> None:
    need("docker")
    done = in_shell(command, ROOT, DOCKER_HOST="unix:///nonexistent", FLOWSPAN_KEY="sk-0123456789abcdef")
    assert "Cannot connect to the Docker daemon" in done.stderr, done.stderr


def test_there_are_commands() -> None:
    assert len(DOCKER) >= 5


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    with built_image() as built:
        yield built


def test_the_page_ends_with_a_gateway_that_replies(image: Image, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, int(image.user), 0)
    (making,) = [one for one in COMMANDS if one.startswith("mkdir")]
    (writing,) = [one for one in COMMANDS if one.startswith("cat >")]
    (naming,) = [one for one in COMMANDS if one.startswith("export")]
    asking, counting = [one for one in COMMANDS if one.startswith("curl")]
    assert in_shell(f"{making}\n{writing}", tmp_path).returncode == 0
    key = naming.partition("=")[2]
    port, metrics = free_port(), free_port()
    options = ["--port", str(port), "--metrics-port", str(metrics), "--console-port", "0"]
    environment = [("FLOWSPAN_KEY", key)]
    volumes = [(state, image.working_directory)]
    command = [*image.command, *options]
    with Container(image, tmp_path / "etc", command, environment=environment, volumes=volumes) as container:
        until(lambda: container.probe().returncode == 0 or not container.is_running(), "it is healthy", 60)
        reply = in_shell(asking.replace("localhost:8080", f"localhost:{port}"), tmp_path, FLOWSPAN_KEY=key)
        assert '"content":"hello"' in reply.stdout, container.log()
        counted = in_shell(counting.replace("localhost:9464", f"localhost:{metrics}"), tmp_path)
        assert "flowspan_requests_total{" in counted.stdout

        # An editor that puts another file in its place is noticed, as the folder is what is mounted.
        file = tmp_path / "etc" / "flowspan.yaml"
        (tmp_path / "new").write_text(file.read_text().replace("echo\n", "another\n", 1))
        (tmp_path / "new").rename(file)
        until(lambda: "generation 2 of the configuration is in use" in container.log(), "it is read anew", 20)

        assert "docker exec flowspan flowspan health" in COMMANDS
        assert container.inside("flowspan", "health").returncode == 0
        container.send(signal.SIGINT)
        assert container.end() == 0

    for words in (["check", "--no-env"], ["doctor"]):
        file_inside = "/etc/flowspan/flowspan.yaml"
        assert any(one.endswith(f"flowspan {' '.join(words)} {file_inside}") for one in COMMANDS)
        with Container(
            image, tmp_path / "etc", [*words, file_inside], environment=environment, volumes=volumes
        ) as container:
            assert container.end() == 0
