"""A configuration as text, read; what is wrong with it as lines."""

import pytest

from app.configuration import Configuration, ConfigurationRefused, parse
from app.settings import Deployment

MODEL = "model_list: [{model_name: m, litellm_params: {model: simulated/echo}}]\n"
SECRET = "sk-never-to-be-printed-0123456789"


def read(text: str, **environ: str) -> Configuration:
    return parse(text, "f.yaml", environ)


def problems(text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigurationRefused) as refused:
        read(text, **environ)
    return [str(problem) for problem in refused.value.problems]


def warnings(text: str, **environ: str) -> list[str]:
    return [str(warning) for warning in read(text, **environ).warnings]


def only_deployment(entry: str, **environ: str) -> Deployment:
    (deployment,) = read(f"model_list:\n- {entry}\n", **environ).settings.deployments
    return deployment
