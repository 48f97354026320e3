"""The tools that are compared: each is a function from a program's trace to what it reports, in its order."""

import time
from collections.abc import Callable

import baselines
from baselines import Found
from traces import Trace

Tool = Callable[[Trace], list[Found]]
TOOLS: dict[str, Tool] = {
    "UMLAUT": baselines.umlaut,
    "AutoTrainer": baselines.autotrainer,
    "SageMaker Debugger": baselines.sagemaker,
}


def timed(tool: Tool, trace: Trace) -> tuple[list[Found], float]:
    """Return what a tool reports, and in how many seconds."""
    began = time.perf_counter()
    return tool(trace), time.perf_counter() - began
