"""A chain that a visitor writes names known policies only, and takes no time or room to be refused."""

import time

import pytest

from app.console.policies.chains import BadChain, chain_of, text_of_chain
from app.settings import PolicySpec

OURS = (PolicySpec("guards.shell:NoShell", {"words": ["rm"]}, "fail_open"), PolicySpec("redact"))


@pytest.mark.parametrize(
    "text",
    [
        "- use: redact\n",
        "policies:\n  - use: redact\n",
        "gateway:\n  policies:\n    - use: redact\n",
    ],
)
def test_a_chain_may_stand_in_the_sections_of_a_configuration(text: str) -> None:
    assert chain_of(text, ()) == (PolicySpec("redact"),)


def test_the_running_chain_is_read_as_it_was_written() -> None:
    assert chain_of(text_of_chain(OURS), OURS) == OURS
    assert chain_of(text_of_chain(()), ()) == ()
    assert chain_of("", ()) == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("- use: os:system\n", "There is no policy 'os:system' to be tried here"),
        ("- use: ./evil.py:Evil\n", "There is no policy"),
        ("- use: guards.shell:Other\n", "There is no policy"),
        ("- use: redcat\n", "did you mean redact"),
        ("- use: redact\n  colour: red\n", "This is no list of policies"),
        ("use: redact\n", "This is no list of policies"),
        ("- [\n", "This is not YAML"),
        ("- !!python/object/apply:os.system ['true']\n", "This is not YAML"),
        ("a: &a [x]\nb: *a\n", "Aliases"),
        ("[" * 5_000, "This is not YAML"),
        ("- use: redact\n" * 10_000, "longer than"),
    ],
)
def test_another_chain_is_refused_with_the_reason(text: str, reason: str) -> None:
    began = time.process_time()
    with pytest.raises(BadChain) as refused:
        chain_of(text, OURS)

    assert reason in str(refused.value)
    assert time.process_time() - began < 2
