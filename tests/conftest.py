"""What holds for every test: no deadline for the examples of a property, for it would tell how busy the machine is; and
garbage is looked for as rarely as in `flowspan serve`, and never among what was there before the first test: modules,
and thousands of tests, which each search would walk through."""

import gc

from hypothesis import settings

settings.register_profile("flowspan", deadline=None)
settings.load_profile("flowspan")
gc.set_threshold(10_000, 20, 50)
gc.disable()


def pytest_collection_finish() -> None:
    """Search for garbage from here on."""
    gc.freeze()
    gc.enable()
