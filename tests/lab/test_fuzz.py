"""A few hundred changed inputs for each target; `python -m tests.lab.fuzz` takes as many as time allows."""

from random import Random

import pytest

from tests.lab.mutation import mutated
from tests.lab.targets import TARGETS

EXAMPLES = 150


@pytest.mark.parametrize("name", TARGETS)
def test_changed_inputs_are_taken_or_refused(name: str) -> None:
    target, seeds = TARGETS[name]
    rng = Random(7)
    inputs = seeds()
    for seed in inputs[:40]:
        target(seed)
    for _ in range(EXAMPLES):
        data = mutated(rng.choice(inputs), rng)
        try:
            target(data)
        except Exception as error:
            pytest.fail(f"{error!r} for {data!r}")
