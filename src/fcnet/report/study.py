"""The page of a sweep's study."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from fcnet.errors import FileFormatError
from fcnet.experiments.folder import MODEL, REPORT, owner, read_status
from fcnet.experiments.scores import score_of
from fcnet.experiments.sweep.going_on import how_to_go_on
from fcnet.experiments.sweep.importance import LEAST_TRIALS, importances
from fcnet.experiments.sweep.plan import OWN, Plan
from fcnet.experiments.sweep.results import RESULTS, row_of, shown
from fcnet.experiments.sweep.run import check_place
from fcnet.experiments.sweep.storage import Database
from fcnet.experiments.sweep.study import PLAIN, Account, read_account
from fcnet.files import write_atomic
from fcnet.model_file import load
from fcnet.report.axes import Axis, axes_of, notes_on
from fcnet.report.page import Cell, curve, epoch_ticks, page, rounded, setting, short_names, span, table
from fcnet.report.weights import averages_channels, first_layer
from fcnet.words import duration_words, listed, setting_words, without_credentials


def write_study_report(study: Path, database: Database | None = None, out: Path | None = None) -> Path:
    """Write ``report.html`` in the folder of a study, or the page `out`, and return its path.

    Parameters
    ----------
    study : Path
    database : Database, optional
        Where the trials are, if not in the folder.
    out : Path, optional

    Raises
    ------
    FcnetError
        If the folder is not that of a study, has no trials yet, or the database cannot be read.
    """
    plan, now = Plan.read(study), read_account(study, database)
    trials = [*now.ended, *(trial for trial in now.running if trial.params)]
    if not trials:
        check_place(study, database)
        known = f"the database has no study {database.name!r} with trials" if database else "there are none in the folder"
        raise FileFormatError(f"{study} has no trials yet: {known}. Of a study in a database give --storage and --study.")
    said = _results(study)
    results = said if said.get("n_trials") == len(now.ended) else {}  # trials may have ended since
    winner = results.get("winner")
    best = next((trial for trial in now.ended if winner and trial.number == winner["trial"]), now.best(plan.sign))
    axes = axes_of(plan, short_names(p.name for p in plan.space))
    rows = [row_of(plan, trial) | {"trial": trial} for trial in trials]
    for row in rows:
        if row["is_plain"]:  # also where that is outside of the space
            row["params"] = {axis.parameter.name: axis.plain for axis in axes if axis.plain is not None}
    rows.sort(key=lambda row: (row["value"] is None, -plan.sign * (row["value"] or 0.0)))
    cells = [_cells(plan, row, axes) for row in rows]
    drawn = [axis for axis in axes if axis.is_drawn]
    items = [_item(row, cell, drawn) for row, cell in zip(rows, cells, strict=True)]
    ends = [row["value"] for row in rows if row["state"] == "finished"]
    lines = [curve(sorted(row["trial"].intermediate_values.items())) for row in rows]
    values = [value for line in lines for _, value in line]
    reaches = {"low": plan.sign > 0, "high": plan.sign < 0}  # the bad end may be cut off
    is_inside = all(axis.is_tried for axis in axes)  # or the plain recipe has too few settings to be compared
    compared = [trial for trial in now.complete if is_inside or not trial.user_attrs.get(PLAIN)]
    shares = importances(compared)
    by_share = sorted((axis for axis in drawn if axis.parameter.name in shares), key=lambda axis: -shares[axis.parameter.name])
    model_file = study / winner["runs"][0] / MODEL if winner else None
    model = load(model_file) if model_file and model_file.exists() else None
    html = page(
        "study.html",
        {
            "items": items,
            "curves": [
                {
                    "lines": lines,
                    "ticks": epoch_ticks(lines),
                    "percent": plan.judge.is_share,
                    "range": span(values, **reaches),
                }
            ],
            "axes": [axis.to_dict() for axis in drawn],
            "metric": plan.metric_words,
            "percent": plan.judge.is_share,
            "range": span(ends if len(ends) >= LEAST_TRIALS else [row["value"] for row in rows], **reaches),
            "sign": plan.sign,
            "picked": [i for i, row in enumerate(rows) if best is not None and row["number"] == best.number],
        },
        title=study.resolve().name,
        plan=plan,
        metric=plan.metric_words,
        state=_state(study, plan, now, said, database),
        numbers=_numbers(plan, now, winner, rows),
        difference=winner["difference"]["words"] if winner and winner["difference"] else "",
        warnings=winner["warnings"] if winner else [],
        comparison=[_setting_row(axis, next((row for row in rows if row["trial"] is best), None)) for axis in axes],
        best=""
        if best is None
        else f"trial {best.number}" + (", the winner" if _has_winner(plan, results) else ", the best so far"),
        importances={axis.name: shares[axis.parameter.name] for axis in by_share},
        not_known=[axis.name for axis in drawn if axis not in by_share],
        n_compared=len(compared),
        is_inside=is_inside,
        least=LEAST_TRIALS,
        axes=[axis.name for axis in drawn],
        has_points=[
            any(item["value"] is not None and item["settings"][k] is not None for item in items) for k in range(len(drawn))
        ],
        has_values=any(item["value"] is not None for item in items),
        has_curves=any(lines),
        has_gaps=any(None in item["settings"] for item in items),
        notes=_notes(plan, rows, axes),
        table=table(cells, (plan.metric_words, "descending" if plan.sign > 0 else "ascending")),
        weights=first_layer(model) if model else None,
        averaged=model is not None and averages_channels(model),
        settings={"sweep": {name: getattr(plan, name) for name in OWN}, "run": plan.config.options()}
        | plan.config.settings.grouped(),
    )
    out = out or study / REPORT
    write_atomic(out, html)
    return out


def _results(study: Path) -> dict[str, Any]:
    """Return what ``sweep.json`` has; nothing where there is none yet."""
    try:
        results: dict[str, Any] = json.loads((study / RESULTS).read_text(encoding="utf-8"))
        if (winner := results.get("winner")) and "plain_std" not in winner:  # an older one has it only among the finalists
            plain: dict[str, Any] = next((one for one in winner["finalists"] if one["trial"] == results.get("plain")), {})
            winner["plain_std"] = plain.get(f"{results['metric']}_std")
        return results if results["n_trials"] else {}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileFormatError(f"{study / RESULTS} is damaged: {error!r}.") from None


def _has_winner(plan: Plan, results: dict[str, Any]) -> bool:
    """Return whether a sweep has come to its end; without new seeds the best trial is then the winner."""
    return bool(results.get("winner")) or (results.get("best") is not None and not plan.winner_seeds)


def _state(study: Path, plan: Plan, now: Account, said: dict[str, Any], database: Database | None) -> str:
    """Return how a sweep stands that has not come to its end, in words. `said` is what ``sweep.json`` has."""
    none = ", none with a result" if now.ended and not now.complete else ""
    done = f"{plan.counted(len(now.ended))} have ended{none}"
    if owner(study):
        return f"The sweep is still running: {done}."
    since, there = len(now.ended) - said.get("n_trials", 0), said.get("winner_in")
    if _has_winner(plan, said) and not since:
        return ""
    if there and not since:
        return f"The finalists were trained in {there}: the winner is there."
    if none and len(now.ended) >= plan.most_trials:
        return f"The sweep has no winner: {done}. The table says why."
    status = read_status(study)  # none where time was up
    reason = without_credentials(status.get("reason", "")).rstrip(".")
    ends = {"stopped": " It was stopped.", "failed": f" It failed: {reason}."}
    ended = ends.get(status.get("ended", ""), " It was killed." if status else "")
    n_done = said["n_trials"] if said.get("best") is not None and not since else None
    go_on = f"{ended} {how_to_go_on(plan, study, database, n_done=n_done, **status.get('options', {}))}"
    if there or _has_winner(plan, said):
        winner = f"in {there}" if there else f"trial {said['winner']['trial'] if said['winner'] else said['best']}"
        later = f"{since} {'has' if since == 1 else 'have'} ended since."
        words = f"The winner of the first {said['n_trials']} trials is {winner}; {later}"
        return words + go_on if status else words  # else another machine has gone on
    return f"The sweep has no winner yet: {done}.{go_on}"


def _numbers(plan: Plan, now: Account, winner: dict[str, Any] | None, rows: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Return numbers, the deviation of each, and what it is."""
    numbers, best = [], now.best(plan.sign)
    if winner:
        n = len(winner["seeds"])
        over = f", mean and standard deviation over {n} new seeds" if n > 1 else ", with a new seed"
        score = score_of(winner)
        keys = {f"val_{score.name}": f"validation {score.words}", plan.metric: plan.metric_words}
        for key, words in (keys | {f"test_{score.name}": f"test {score.words}"}).items():
            say = (plan.judge if key == plan.metric else score).shown
            mean, std = say(winner[key]), say(winner[f"{key}_std"] or 0.0)
            n_rows = winner["n_test" if key.startswith("test_") else "n_val"]
            numbers.append((mean, std if n > 1 else "", f"{words} of the winner on {n_rows:,} rows{over}"))
    plain = next((row for row in rows if row["is_plain"] and row["value"] is not None), None)
    if winner and (ensemble := winner.get("ensemble")):
        score = score_of(ensemble)
        words = f"test {score.words} of the ensemble of all finalists' {ensemble['networks']} networks"
        numbers.append((score.shown(ensemble[f"test_{score.name}"]), "", words))
    if winner and winner["plain"] is not None:
        words, spread = f"{plan.metric_words} of the plain recipe with the same seeds", winner["plain_std"]
        numbers.append((shown(plan, winner["plain"]), shown(plan, spread) if spread is not None else "", words))
    elif plain:
        to = "" if plain["state"] == "finished" else f", {plain['state']}"
        words = f"{plan.metric_words} of the plain recipe, trial {plain['number']}{to}"
        numbers.append((shown(plan, plain["value"]), "", words))
    if best is not None and best.value is not None:
        words = f"{plan.metric_words} of the best trial, {best.number}, which was partly lucky"
        numbers.append((shown(plan, best.value), "", words))
    states = Counter(row["state"] for row in rows)
    seconds = duration_words(sum(row["seconds"] or 0.0 for row in rows))
    how = listed(f"{count} {state}" for state, count in states.most_common())
    numbers.append((f"{len(rows)}", "", f"trials in {seconds} of training: {how}"))
    return numbers


def _notes(plan: Plan, rows: list[dict[str, Any]], axes: list[Axis]) -> list[str]:
    """Return what the charts do not show, in words."""
    notes = notes_on(axes)
    without = Counter(row["state"] for row in rows if row["value"] is None and row["state"] != "running")
    if without:
        how = listed(f"{count} {state}" for state, count in without.most_common())
        notes.append(f"Trials without a {plan.metric_words}: {how}. The table says why.")
    return notes


def _cells(plan: Plan, row: dict[str, Any], axes: list[Axis]) -> dict[str, Cell]:
    """Return the row of a table."""
    value, std, seconds = row["value"], row["std"], row["seconds"]
    reason = "" if row["state"] in ("finished", "pruned", "running") else row["reason"] or ""
    return {
        "trial": Cell(f"{row['number']}" + (", plain" if row["is_plain"] else ""), row["number"]),
        "state": Cell(row["state"]),
        plan.metric_words: Cell() if value is None else Cell(shown(plan, value), rounded(value)),
        "±": Cell() if std is None else Cell(shown(plan, std), rounded(std)),
        "epochs done": Cell(f"{row['epochs'] or 0:g}", row["epochs"] or 0),
        "time": Cell() if seconds is None else Cell(duration_words(seconds), rounded(seconds)),
        **{axis.name: setting(row["params"].get(axis.parameter.name)) for axis in axes},
        "what is wrong": Cell(without_credentials(reason)),
    }


def _item(row: dict[str, Any], cells: dict[str, Cell], drawn: list[Axis]) -> dict[str, Any]:
    """Return what charts have of a trial; what they say of it is its row."""
    settings = [f"{name} {cell.text}" for name, cell in cells.items() if cell.text and name not in ("trial", "state")]
    return {
        "says": f"trial {cells['trial'].text}: {', '.join([row['state'], *settings])}",
        "value": rounded(row["value"]),
        "whole": row["state"] == "finished",
        "plain": row["is_plain"],
        "settings": [axis.place(row["params"].get(axis.parameter.name)) for axis in drawn],
    }


def _setting_row(axis: Axis, best: dict[str, Any] | None) -> dict[str, str]:
    """Return a setting: what was tried, and its values in the plain recipe and in the row of the best trial."""
    values = {"plain": axis.plain, "best": best and best["params"].get(axis.parameter.name)}
    return {"name": axis.name, "tried": axis.tried()} | {
        what: "–" if value is None else setting_words(value) for what, value in values.items()
    }
