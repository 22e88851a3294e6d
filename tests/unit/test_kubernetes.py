"""The objects for Kubernetes, as files: they fit the gateway's defaults, its image, and each other."""

import re
from pathlib import Path
from typing import Any

import yaml

from app.configuration import parse
from app.settings import ServerSettings

ROOT = Path(__file__).parents[2]
FILE = ROOT / "deploy" / "kubernetes" / "flowspan.yaml"
OBJECTS: dict[str, Any] = {one["kind"]: one for one in yaml.safe_load_all(FILE.read_text())}
POD = OBJECTS["Deployment"]["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
IMAGE = (ROOT / "Dockerfile").read_text()
SETTINGS = parse(OBJECTS["ConfigMap"]["data"]["flowspan.yaml"], "f.yaml", {"FLOWSPAN_KEY": "sk-0123456789abcdef"})


def test_nothing_is_said_of_the_configuration() -> None:
    assert SETTINGS.warnings == ()
    assert SETTINGS.settings.reload.watch


def test_a_gateway_is_given_the_time_that_it_takes_to_end() -> None:
    server = SETTINGS.settings.server
    assert POD["terminationGracePeriodSeconds"] >= server.lame_duck + server.drain_timeout + 20
    readiness = CONTAINER["readinessProbe"]
    assert readiness["periodSeconds"] * readiness["failureThreshold"] < server.lame_duck


def test_the_user_is_the_images() -> None:
    (user,) = re.findall(r"^USER (\d+)$", IMAGE, re.MULTILINE)
    assert POD["securityContext"]["runAsUser"] == int(user)


def test_ports_and_folders_are_the_images() -> None:
    ports = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
    assert ports == {"http": ServerSettings().port, "metrics": ServerSettings().metrics_port}
    assert OBJECTS["Service"]["spec"]["ports"][0]["targetPort"] in ports
    mounted = {mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
    (state,) = re.findall(r"^WORKDIR (/var/.+)$", IMAGE, re.MULTILINE)
    assert mounted == {"/etc/flowspan", "/tmp", state}
    assert '--config", "/etc/flowspan/flowspan.yaml"' in IMAGE
    assert CONTAINER["securityContext"]["readOnlyRootFilesystem"]


def test_all_objects_mean_the_same_pods() -> None:
    labels = OBJECTS["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert OBJECTS["Service"]["spec"]["selector"] == labels
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert OBJECTS[kind]["spec"]["selector"]["matchLabels"] == labels
    assert {"configMap": {"name": OBJECTS["ConfigMap"]["metadata"]["name"]}}.items() <= POD["volumes"][0].items()
