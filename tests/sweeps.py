"""What tests of sweeps share."""

import os
import signal
import threading
import time
from dataclasses import replace

from fcnet import data
from fcnet.data import load_digits


def trials_in(found):
    """Return the trials of a sweep without their times."""
    return [trial | {"seconds": 0} for trial in found["trials"]]


def kill_self(at, seconds, late):
    """Return a function that kills its process some seconds after call `at`; if that is late by so many calls, it waits."""
    calls = []

    def tell(now):
        calls.append(now)
        if len(calls) == at:
            threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()
        if len(calls) > at + late:
            time.sleep(3600)

    return tell


def asked_for(patch):
    """Return a list that is filled with how many test rows of the digits were asked for, each time that they are read."""
    asked = []

    def spy(*arguments, n_test=297, **settings):
        asked.append(n_test)
        return load_digits(*arguments, n_test=n_test, **settings)

    patch.setitem(data.DATASETS, "digits", replace(data.DATASETS["digits"], load=spy))
    return asked
