"""How much of what faults cost the doctor's remedies win back, as ``fcnet train --fix`` tries them.

    python benchmarks/doctor/mend.py --part tune              # goes on where it was stopped
    python benchmarks/doctor/mend.py --part tune --codes under-capacity over-fitting --again
    python benchmarks/doctor/mend.py --part tune --report --cases

Each faulty program of `faults.cases` is trained with the seed 0, and so is its twin without the fault. Then
`fcnet.doctor.fixing.mend` tries remedies, by the validation rows of the program. Of the score that the harm of the family is
measured by (`harm.py`) this is won back:

    (mended - faulty) / (twin - faulty)

on clean rows, as remedies are chosen by the validation rows.

A case counts if the twin is better than the faulty program by `harm.LEAST`, and is mended from 0.9 on. It is made worse if the
mended program is below the faulty one by as much. Faults that no setting of a training mends (`BEYOND`: the rows themselves, or
the code of the gradient) have a line of their own, and are not among those that could have been mended.

Settings of recipes are applied to programs by `applied`: `weight_init` is in place of what a program does to its initial
parameters, `patience` in place of its own early stopping, and `scaling` standardises its inputs.
"""

import argparse
import copy
import math
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import fields
from typing import Any

import numpy as np
from faults import Case, cases
from halves import HALVES, summary_only
from harm import LEAST, of_trace, value
from judge import share
from lines import add, commit, read
from problems import RUNS
from programs import Program, Work
from tools import TOLD
from traces import Trace, record

from fcnet import FullyConnectedNet, diagnose
from fcnet.doctor.finding import HEALTHY, Finding, Findings, in_order
from fcnet.doctor.fixing import TRIALS, Fix, Trial, mend
from fcnet.doctor.inflight import Doctor
from fcnet.errors import DivergedError, InputError, SettingError
from fcnet.training.callbacks import EarlyStopping
from fcnet.training.finish import Part, finish
from fcnet.training.metrics import AUTO

BEYOND = (
    "not-finite-data",
    "label-shift",
    "constant-features",
    "uninformative-inputs",
    "leaking-feature",
    "duplicate-across-splits",
    "label-mistakes",
    "wrong-gradient",
    "few rows",
)
"""Codes, and families."""
MENDED = 0.9
IN_PROGRAM = {"hidden_sizes": "hidden"} | {field.name: field.name for field in fields(Program)}
TRAINING = ("monitor", "ema_decay")


class Mended(Work):
    """A program to which settings of recipes were applied; those that programs do not have are its own."""

    class_weight = "none"
    calibrate = False


def applied(work: Work, settings: dict[str, Any]) -> Mended:
    """Return a program with settings of a recipe, by plain or dotted names; raise SettingError if it has none such, or all."""
    made = Mended(**{field.name: copy.copy(getattr(work, field.name)) for field in fields(Work)})
    vars(made).update({name: v for name, v in vars(work).items() if name in ("class_weight", "calibrate")})
    for path, setting in settings.items():
        name = path.rpartition(".")[2]
        if name in IN_PROGRAM:
            made.change(**{IN_PROGRAM[name]: tuple(setting) if name == "hidden_sizes" else setting})
            made.trainer_settings.pop(name, None)
            made.touch = [] if name == "weight_init" else made.touch
        elif name in TRAINING:
            made.trainer_settings[name] = setting
        elif name in ("class_weight", "calibrate"):
            setattr(made, name, setting)
        elif name == "patience":
            made.callbacks = [lambda n=setting: EarlyStopping(n)] if setting else []
        elif name == "scaling":
            mean, std = made.data.X.mean(axis=0), made.data.X.std(axis=0)
            made.data = made.data.with_inputs(lambda X, m=mean, s=std: (X - m) / np.where(s > 0, s, 1))
        else:
            raise SettingError(f"A program has no setting {path}.")
    parts = ("program", "trainer_settings", "touch", "callbacks", "class_weight", "calibrate")
    if made.data.X is work.data.X and all(
        getattr(made, part) == getattr(work, part, getattr(Mended, part, None)) for part in parts
    ):
        raise SettingError("The settings are so already.")
    return made


class Training:
    """A program that was trained, with all that the doctor finds."""

    def __init__(self, work: Work) -> None:
        self.work, self.trace = work, Trace(work, end="refused")
        data, program, (network, trainer) = work.data, work.program, work.build()
        parts = (data.X, data.y, data.X_val, data.y_val)
        self.found: list[Finding] = []
        with suppress(InputError):
            self.found += diagnose(network, *parts)
        settings = {name: getattr(program, name) for name in TOLD} | {
            "hidden_sizes": program.hidden,
            "label_smoothing": program.label_smoothing,
        }
        doctor = Doctor(settings, (data.X_val, data.y_val))
        trainer.callbacks, trainer.advise = [*trainer.callbacks, doctor], True
        weights = balanced(data.y) if getattr(work, "class_weight", "none") == "balanced" and data.n_classes else None
        try:
            trainer.fit(network, *parts, sample_weight=weights)
            if getattr(work, "calibrate", False) and data.n_classes:
                network = calibrated(network, work)
            self.trace = Trace(work, network)
        except InputError:
            pass
        except DivergedError:
            self.trace = Trace(work, network, end="diverged")
        self.found += doctor.findings

    def findings(self) -> Findings:
        """Return what was found, causes first."""
        data, after = self.work.data, []
        if self.trace.end == "done":
            after = diagnose(self.trace.network, data.X, data.y, data.X_val, data.y_val)
        return in_order(each for each in (*self.found, *after) if each.code != HEALTHY)

    def trial(self) -> Trial:
        """Return what remedies are chosen by."""
        monitor = self.work.trainer_settings.get("monitor", AUTO)
        if self.trace.end != "done":
            return Trial(self.findings, monitor)
        network = self.trace.network
        return Trial(self.findings, monitor, network.loss, network.logits(self.work.data.X_val).copy())


def balanced(y: np.ndarray) -> np.ndarray:
    """Return weights of rows by which all classes count the same."""
    counts = np.bincount(y)
    return (len(y) / (np.count_nonzero(counts) * np.maximum(counts, 1)))[y]


def calibrated(network: FullyConnectedNet, work: Work) -> FullyConnectedNet:
    """Return a network whose temperature is right for the validation rows."""
    data = work.data
    parts = (Part(*network.check_data(data.X, data.y), None), Part(*network.check_data(data.X_val, data.y_val)))
    options: dict[str, Any] = {"blend_linear": False, "threshold": 0.5, "monitor": AUTO, "val_logits": None}
    return finish(network, *parts, calibrate=True, **options).network


def mended(case: Case) -> dict[str, Any]:
    """Return what a faulty program, its twin and the mended one reach, and the log of remedies."""
    began, twin = time.perf_counter(), of_trace(record(case.twin(), watch=False))
    kept = last = first = Training(case.work())

    def train(finding: Finding, settings: dict[str, Any]) -> Trial:
        nonlocal last
        last = Training(applied(kept.work, settings))
        return last.trial()

    def done(fix: Fix) -> None:
        nonlocal kept
        kept = last if fix.kept else kept

    log = mend(first.trial(), train, first.work.data.y_val, done)[1]
    rows = {"faulty": of_trace(first.trace), "twin": twin, "mended": of_trace(kept.trace)}
    scores = {name: value(row, "clean" if case.harms == "validation" else case.harms) for name, row in rows.items()}
    return {
        "name": case.name,
        "codes": case.codes,
        "families": case.families,
        "dose": case.dose,
        "harms": case.harms,
        **scores,
        "log": [fix.to_dict() for fix in log],
        "trainings": 1 + len(log),
        "seconds": time.perf_counter() - began,
    }


def won_back(row: dict[str, Any]) -> float | None:
    """Return the share of what was lost that a program has again; None where hardly anything was lost."""
    lost = row["twin"] - row["faulty"]
    return (row["mended"] - row["faulty"]) / lost if lost >= LEAST[row["harms"]] else None


def is_worse(row: dict[str, Any]) -> bool:
    """Return whether remedies have made a program worse."""
    return bool(row["faulty"] - row["mended"] >= LEAST[row["harms"]])


def report(rows: Iterable[dict[str, Any]], single: bool) -> None:
    """Print the shares of programs that were mended, and made worse."""
    rows = list(rows)
    harmed = [row for row in rows if won_back(row) is not None]
    can = [row for row in harmed if not {*row["codes"], *row["families"]} & set(BEYOND)]
    cannot = [row for row in harmed if row not in can]
    groups = {
        f"{dose}, one fault": [r for r in can if r["dose"] == dose and len(r["codes"]) == 1] for dose in ("mild", "strong")
    }
    groups |= {"two faults": [r for r in can if len(r["codes"]) == 2], "all": can, "faults that no setting mends": cannot}
    print(f"\n{len(rows)} programs, of which {len(harmed)} lost enough by their fault.\n")
    print("| | mended | median won back | trainings, mean |\n| --- | --- | --- | --- |")
    for name, group in groups.items():
        back = [won_back(row) or 0.0 for row in group]
        median = f"{np.median(back):.2f}" if group else "–"
        trainings = f"{np.mean([row['trainings'] for row in group]):.1f}" if group else "–"
        print(f"| {name} | {share(b >= MENDED for b in back)} | {median} | {trainings} |")
    print(f"\nMade worse: {sum(map(is_worse, rows))} of {len(rows)}.")
    for row in sorted(rows, key=lambda row: won_back(row) or -math.inf) if single else ():
        back = won_back(row)
        tried = "; ".join(f"{'+' if fix['kept'] else '-'} {fix['code']} {fix['settings']} {fix['why']}" for fix in row["log"])
        said = "no loss" if back is None else f"{back:.2f}"
        print(f"{said} {row['name']} ({row['faulty']:.3f} → {row['mended']:.3f}, twin {row['twin']:.3f}): {tried}")


def main(words: list[str] | None = None) -> None:
    """Mend what is not there, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=HALVES, default="tune")
    parser.add_argument("--copies", type=int, default=1, help="sets of programs, each with every family and dose")
    parser.add_argument("--codes", nargs="+", help="only faults with these codes, or mendable ones", default=())
    parser.add_argument("--most", type=int, metavar="N", help="stop after N programs, to go on later")
    parser.add_argument("--again", action="store_true", help="mend all of them once more")
    parser.add_argument("--report", action="store_true", help="report what is there")
    parser.add_argument("--cases", action="store_true", help="report each program")
    options = parser.parse_args(words)
    if options.cases:
        summary_only(options.part)
    path = RUNS / f"{options.part}-mended.jsonl"
    chosen = [
        case for case in cases(options.part, options.copies) if not options.codes or set(case.codes) <= set(options.codes)
    ]
    there = {} if options.again else read(path, "name")
    left = [case for case in chosen if (case.name,) not in there]
    order = np.random.default_rng(0).permutation(len(left))  # so that the first ones are a sample
    now = commit()
    for number, place in enumerate(() if options.report else order[: options.most], 1):
        add(path, mended(left[place]) | {"commit": now, "trials": TRIALS})
        print(f"{number} of {len(left)}{': ' + left[place].name if options.part == 'tune' else ''}", flush=True)
    names = {case.name for case in chosen}
    report([row for (name,), row in read(path, "name").items() if name in names], options.cases)


if __name__ == "__main__":
    main()
