"""Admission: how many attempts a deployment has at a time and in a minute, and who waits for it in which order.

    fair_queue ....... whose turn it is
    capacity ......... what a deployment may be asked now, counted for all processes together
    service_rate ..... how fast those who wait are served
    gate ............. before one deployment: slots, and those who wait for one
    admission ........ of the process: what the router asks

All but the last two is pure. Imports `errors`, `limits`, `settings`, `shared_table` and telemetry; nothing of the
backends.
"""

from app.admission.admission import Admission, SharedSlots, limited
from app.admission.gate import Demand, Slot

__all__ = ["Admission", "Demand", "SharedSlots", "Slot", "limited"]
