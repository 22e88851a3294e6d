"""What holds for every test: no deadline for the examples of a property, for it would tell how busy the machine is."""

from hypothesis import settings

settings.register_profile("flowspan", deadline=None)
settings.load_profile("flowspan")
