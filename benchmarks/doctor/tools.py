"""The tools that are compared: each is a function from a program's trace to what it reports, in its order."""

import time
from collections.abc import Callable

import baselines
from baselines import Found
from traces import Trace

from fcnet import diagnose
from fcnet.doctor.finding import Finding, in_order

Tool = Callable[[Trace], list[Found]]


def fcnet(trace: Trace) -> list[Found]:
    """Return what fcnet's doctor finds, in the order in which it shows it.

    Before training it is given the network and the data as the program has them.
    """
    data, (network, _) = trace.work.data, trace.work.build()
    shares: dict[str, float] = {}
    found = _told(diagnose(network, data.X, data.y, data.X_val, data.y_val), 0.0, shares)
    return [Found((each.code,), each.severity, shares[each.code]) for each in in_order(found)]


def _told(findings: list[Finding], share: float, shares: dict[str, float]) -> list[Finding]:
    """Keep after which share of the training each code was first told of."""
    for finding in findings:
        shares.setdefault(finding.code, share)
    return findings


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
