"""The rules of other tools, as the benchmark of the doctor restates them, and what is recorded for them."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parent.parent / "benchmarks" / "doctor"))  # whose modules import one another by their names
import baselines
import faults
import tools
import traces
from problems import load
from programs import Program, Work
from traces import Trace, record

from fcnet.training.history import History

CIRCLES = Program("c", "circles", hidden=(16,), epochs=8, learning_rate=8e-3)


def trace_of(program=CIRCLES, rows=(), end="done", epochs=None):
    made = Trace(Work(program, load(program.problem)), end=end)
    made.history = History(rows)
    sound = {"gradient_norms": [1.0, 1.0], "gradient_zeros": 0.0, "weights_finite": True, "gradients_finite": True}
    sound |= {
        "inactive": [0.0],
        "activations": ["relu"],
        "saturated": [0.0],
        "gradient_means": {"W1": 1.0},
        "update_ratios": {},
    }
    made.epochs = epochs or [sound] * len(rows)
    return made


def rows_of(loss, val_loss=None, accuracy=None):
    val_loss, accuracy = val_loss or loss, accuracy or [0.8] * len(loss)
    columns = zip(loss, val_loss, accuracy, strict=True)
    return [{"loss": a, "val_loss": b, "train_accuracy": c, "val_accuracy": c, "train_loss": a} for a, b, c in columns]


def codes(found):
    return [each.codes[0] for each in found]


def test_rules_of_umlaut():
    assert codes(baselines.umlaut(trace_of(rows=rows_of([1.0, 0.9])))) == [
        "unscaled-data"
    ]  # any standardised input is beyond 1
    found = baselines.umlaut(trace_of(replace(CIRCLES, learning_rate=0.1), rows_of([1.0, 0.9], [1.0, 1.1])))
    assert codes(found) == ["unscaled-data", "learning-rate-too-high", "over-fitting"]
    assert [each.share for each in found] == [1 / 8, 1 / 8, 2 / 8]
    assert "below-baseline" in codes(baselines.umlaut(trace_of(replace(CIRCLES, activation="identity"))))
    sure = baselines.umlaut(trace_of(rows=rows_of([1.0] * 4, accuracy=[0.99] * 4)))
    assert codes(sure) == ["unscaled-data", "duplicate-across-splits"]


def test_rules_of_autotrainer():
    assert baselines.autotrainer(trace_of(rows=rows_of([1.0] * 7, accuracy=[0.72, 0.75, 0.78, 0.8, 0.82, 0.85, 0.9]))) == []
    assert codes(baselines.autotrainer(trace_of(end="diverged"))) == ["exploding-gradient"]
    assert codes(baselines.autotrainer(trace_of(rows=rows_of([1.0] * 7, accuracy=[0.5] * 7)))) == ["learning-rate-too-low"]
    swinging = [0.8, 0.9] * 4
    assert codes(baselines.autotrainer(trace_of(rows=rows_of([1.0] * 8, accuracy=swinging)))) == ["learning-rate-too-high"]
    faint = trace_of().epochs or [{"gradient_norms": [1e-6, 1.0], "gradient_zeros": 0.0, "weights_finite": True}]
    faint = [faint[0] | {"gradients_finite": True}] * 7
    rows = rows_of([1.0] * 7, accuracy=[0.5] * 7)
    assert codes(baselines.autotrainer(trace_of(rows=rows, epochs=faint))) == ["vanishing-gradient"]


def test_rules_of_sagemaker():
    assert baselines.sagemaker(trace_of(rows=rows_of([1.0, 0.8, 0.6]))) == []
    assert codes(baselines.sagemaker(trace_of(rows=rows_of([1.0, 1.0])))) == ["learning-rate-too-low"]
    assert codes(baselines.sagemaker(trace_of(rows=rows_of([1.0, 0.8], [1.0, 1.2])))) == ["over-fitting"]
    assert codes(baselines.sagemaker(trace_of(end="refused"))) == ["diverged"]
    dead = trace_of(rows=rows_of([1.0, 0.8])).epochs[0] | {"inactive": [0.6], "update_ratios": {"W1": 11.0}}
    found = baselines.sagemaker(trace_of(rows=rows_of([1.0, 0.8]), epochs=[dead, dead]))
    assert codes(found) == ["dead-units", "learning-rate-too-high"]


def test_what_is_recorded_goes_through_all_rules():
    trace = record(faults.Case("c", replace(CIRCLES, activation="tanh"), ("large first weights",), "strong").work())
    assert len(trace.epochs) == len(trace.history) == CIRCLES.epochs
    assert trace.epochs[0]["activations"] == ["tanh"]
    inputs = np.array([[20.0, 0.0, 20.0], [-20.0, 0.0, 0.0]])
    assert traces.saturated("tanh", inputs) == 1 / 3
    assert traces.saturated("relu", inputs) == 0
    assert all(isinstance(tool(trace), list) for tool in tools.TOOLS.values())
