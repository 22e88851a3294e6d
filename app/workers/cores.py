"""How many cores this process may use, which is how many workers `auto` stands for."""

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup/cpu.max")
"""What a container may use, in version 2 of control groups: microseconds in each period, or `max`, and the period."""


def usable_cores(cgroup: Path = _CGROUP) -> int:
    """The cores that the process may run on, as far as its container leaves it time for; at least one."""
    cores = len(os.sched_getaffinity(0))
    share = _share(cgroup)
    return cores if share is None else max(1, min(cores, math.ceil(share)))


def _share(cgroup: Path) -> float | None:
    """Cores' worth of time; None where it is not limited."""
    try:
        quota, period = cgroup.read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None
