"""What holds for every test: no deadline for the examples of a property, for it would tell how busy the machine is; and
garbage is looked for as rarely as in `flowspan serve`, which takes a tenth less time."""

import gc

from hypothesis import settings

settings.register_profile("flowspan", deadline=None)
settings.load_profile("flowspan")
gc.set_threshold(10_000, 20, 50)
