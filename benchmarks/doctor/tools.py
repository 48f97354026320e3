"""The tools that are compared: each is a function from a program's trace to what it reports, in its order."""

import time
from collections.abc import Callable
from contextlib import suppress

import baselines
from baselines import Found, steps_of
from traces import Trace

from fcnet import diagnose
from fcnet.doctor.finding import HEALTHY, in_order
from fcnet.doctor.inflight import Doctor
from fcnet.errors import DivergedError, InputError

Tool = Callable[[Trace], list[Found]]
TOLD = ("learning_rate", "batch_size", "epochs", "update", "l2", "dropout", "activation", "weight_init")


def fcnet(trace: Trace) -> list[Found]:
    """Return what fcnet's doctor finds, in the order in which it shows it.

    It is given the network and the data as the program has them, then it is a callback of a training of its own, and in the end
    it is given the network as the training has left it.
    """
    work = trace.work
    data, program, (network, trainer) = work.data, work.program, work.build()
    parts = (data.X, data.y, data.X_val, data.y_val)
    found = list(diagnose(network, *parts))
    shares = {finding.code: 0.0 for finding in found}
    settings = {name: getattr(program, name) for name in TOLD} | {"hidden_sizes": program.hidden}
    doctor = Doctor(settings, (data.X_val, data.y_val))
    trainer.callbacks, trainer.advise = [*trainer.callbacks, doctor], True
    with suppress(DivergedError, InputError):
        trainer.fit(network, *parts)
        found += diagnose(network, *parts)
    steps = steps_of(trace)
    shares |= {code: seen / steps for code, seen in doctor.first_seen.items() if code not in shares}
    told = [each for each in in_order([*found, *doctor.findings]) if each.code != HEALTHY]
    return [Found((each.code,), each.severity, min(1.0, shares.get(each.code, 1.0))) for each in told]


TOOLS: dict[str, Tool] = {
    "fcnet": fcnet,
    "UMLAUT": baselines.umlaut,
    "AutoTrainer": baselines.autotrainer,
    "SageMaker Debugger": baselines.sagemaker,
}


def timed(tool: Tool, trace: Trace) -> tuple[list[Found], float]:
    """Return what a tool reports, and in how many seconds."""
    began = time.perf_counter()
    return tool(trace), time.perf_counter() - began
