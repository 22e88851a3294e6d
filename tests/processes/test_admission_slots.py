"""Several real processes that share the slots of a deployment, one of which may be killed."""

import subprocess
import sys
from pathlib import Path

from app.admission import Admission, SharedSlots
from app.settings import AdmissionSettings, Deployment, WorkerProcess

LIMIT, PROCESSES, ROUNDS = 3, 3, 1500
PROGRAM = """
import random, sys, time
from app.admission import Admission, Demand
from app.settings import AdmissionSettings, Deployment, WorkerProcess

folder, index, processes, limit, rounds = sys.argv[1], *map(int, sys.argv[2:])
one = Deployment(id="d", model_name="m", model="x/d", provider="x", max_parallel=limit)
admission = Admission(AdmissionSettings(), [one], WorkerProcess(index, processes, folder))
draw, held, most = random.Random(index), [], 0
for _ in range(rounds):
    if held and draw.random() < 0.5:
        held.pop().end()
    elif (slot := admission.enter(one, Demand("", time.monotonic() + 60))) is not None:
        held.append(slot)
        most = max(most, admission.under_way("d"))
if index:
    while held:
        held.pop().end()
else:
    while len(held) < 1:
        slot = admission.enter(one, Demand("", time.monotonic() + 60))
        held += [slot] if slot is not None else []
print(most, flush=True)
sys.stdin.read()
"""


def test_processes_never_have_more_slots_than_there_are_and_a_killed_one_keeps_none(tmp_path: Path) -> None:
    words = [str(PROCESSES), str(LIMIT), str(ROUNDS)]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path), str(index), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for index in range(PROCESSES)
    ]
    try:
        most = [int(one.stdout.readline()) for one in running if one.stdout is not None]
        assert max(most) == LIMIT
        one = Deployment(id="d", model_name="m", model="x/d", provider="x", max_parallel=LIMIT)
        admission = Admission(AdmissionSettings(), [one], WorkerProcess(0, PROCESSES, str(tmp_path)))
        # The others have given theirs back; the one that is killed holds some.
        assert admission.under_way("d") >= 1
        running[0].kill()
        running[0].wait(10)
        assert admission.under_way("d") >= 1
        SharedSlots(tmp_path, PROCESSES).release_worker(0)
        assert admission.under_way("d") == 0
    finally:
        for process in running:
            process.kill()
            process.communicate()
