"""The fault benchmark of the doctor: its programs and parts, harm, what is judged right, and the rules of other tools."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parent.parent / "benchmarks" / "doctor"))  # whose modules import one another by their names
import faults
import halves
import harm
import judge
import run
import tools
from baselines import Found
from families import FAMILIES
from network_faults import HalfWrongSign, LostSlope, MildTanh, SummedLoss, WrongSign
from problems import ALL, PROBLEMS, load
from programs import Program, healthy, healthy_of_tables, healthy_work, work
from traces import record

from fcnet import FullyConnectedNet, gradient_check
from fcnet.doctor.finding import CODES, HEALTHY
from fcnet.errors import InputError

CIRCLES = Program("c", "circles", hidden=(16,), epochs=8, learning_rate=8e-3)
ALL_CODES = set(CODES) - {HEALTHY}


def test_every_code_has_a_family_in_each_part_and_the_parts_share_nothing():
    tune, held_out = ({FAMILIES[name].code: name for name in halves.families_of(part)} for part in halves.HALVES)
    assert set(tune) == set(held_out) == ALL_CODES
    assert not set(tune.values()) & set(held_out.values())
    problems = [halves.problems_of(part) for part in halves.HALVES]
    assert not set(problems[0]) & set(problems[1])
    assert set(problems[0]) | set(problems[1]) == set(PROBLEMS)
    assert all(set(each.values()) == {"image", "table", "regression"} for each in problems)
    for part in halves.HALVES:
        for case in faults.cases(part):
            assert halves.part_of(case.program.problem) == part
            assert set(case.families) <= set(halves.families_of(part))


def test_what_follows_is_said_of_every_code_in_codes_that_there_are():
    assert set(faults.FOLLOWS) == ALL_CODES
    named = [*faults.SYNONYMS, *sum([*faults.FOLLOWS.values(), *faults.SYNONYMS.values(), *faults.PAIRS], ())]
    assert set(named) | {code for family in FAMILIES.values() for code in family.also} <= ALL_CODES


def test_there_are_enough_programs_and_they_are_the_same_again():
    sound, faulty = healthy(), [case for part in halves.HALVES for case in faults.cases(part)]
    assert len(sound) >= 60
    assert len(faulty) >= 200
    names = [each.name for each in (*sound, *faulty)]
    assert len(set(names)) == len(names)
    assert sound == healthy()
    assert healthy(1) == sound[: len(healthy(1))]
    assert faults.cases("tune", 1) == faults.cases("tune", 2)[: len(faults.cases("tune", 1))]
    assert sum(bool(program.odd) for program in sound) >= 40


@pytest.mark.parametrize("part", halves.SOUND)
def test_further_tables_have_sound_programs_of_their_own(part):
    tables = halves.problems_of(part)
    programs = healthy_of_tables(tables)
    assert len({program.name for program in programs}) == len(programs) >= 100
    assert {program.problem for program in programs} == set(tables)
    assert not set(tables) & set(PROBLEMS)
    assert programs[: len(programs) // 2] == healthy_of_tables(tables, copies=1)
    assert sum(bool(program.odd) for program in programs) == len(programs) / 3


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("dose", faults.DOSES)
def test_a_family_changes_a_program_and_leaves_the_data_set_alone(name, dose):
    family = FAMILIES[name]
    problem = "digits" if "image" in family.kinds else "circles" if "table" in family.kinds else "waves"
    program = replace(Program("p", problem, hidden=(16, 16)), **family.base)
    before = [array.copy() for array in vars(load(problem)).values()]
    case = faults.Case("c", program, (name,), dose)
    faulty, twin = case.work(), case.twin()
    for array, kept in zip(vars(load(problem)).values(), before, strict=True):
        np.testing.assert_array_equal(array, kept)
    (net, trainer), (sound, sound_trainer) = faulty.build(), twin.build()
    same = [np.array_equal(a, b, equal_nan=True) for a, b in zip(vars(faulty.data).values(), before, strict=True)]
    same += [type(net) is type(sound), trainer == sound_trainer, net.get_config() == sound.get_config()]
    same += [all(np.array_equal(net.params.get(key), p) for key, p in sound.params.items()), not faulty.callbacks]
    assert not all(same)
    assert case.codes == (family.code,)


@pytest.mark.parametrize(
    ("network", "activation"),
    [
        (FullyConnectedNet, MildTanh),
        (FullyConnectedNet, LostSlope),
        (HalfWrongSign, "relu"),
        (WrongSign, "relu"),
        (SummedLoss, "relu"),
    ],
)
def test_wrong_gradients_are_wrong_and_that_of_a_sum_is_right(network, activation):
    net = network([3, 5, 5, 2], activation=activation, seed=0)
    error = max(gradient_check(net, np.random.default_rng(0).standard_normal((8, 3)), np.arange(8) % 2).values())
    assert (error > 1e-2) is (network is not SummedLoss)


def test_odd_programs_that_need_other_data_have_them():
    programs = {program.name: program for program in healthy()}
    data = load("digits")
    assert len(healthy_work(programs["digits imbalanced"]).data.X) < 0.85 * len(data.X)
    assert healthy_work(programs["circles one dead column"]).data.X.shape[1] == 3
    np.testing.assert_allclose(healthy_work(programs["circles small inputs"]).data.X, 0.25 * load("circles").X)


def test_harm_is_beyond_the_noise_of_seeds():
    assert harm.lower_end([0.3, 0.3, 0.3])[1] > 0.29
    assert harm.lower_end([0.3, -0.1, 0.1])[1] < 0
    family = "huge rate"
    huge = harm.harm(faults.Case("huge", replace(CIRCLES, update="momentum"), (family,), "strong"))
    assert huge["harms"]
    assert huge["harm"] > 0.2
    assert {row["end"] for row in huge["faulty"]} == {"diverged"}
    assert {row["end"] for row in huge["twin"]} == {"done"}
    none = harm.harm(faults.Case("none", CIRCLES, (), "strong"))
    assert (none["harm"], none["harms"]) == (0, False)


def test_harm_is_measured_where_the_family_says():
    row = {"validation": 0.9, "clean": 0.7, "clean balanced": 0.6, "clean log_loss": 0.5, "clean calibration": 0.1}
    words = ("validation", "clean", "balanced", "optimism", "loss", "calibration")
    np.testing.assert_allclose([harm.value(row, word) for word in words], [0.9, 0.7, 0.6, -0.2, -0.5, -0.1])
    assert {family.harms for family in FAMILIES.values()} <= set(words)


def test_a_program_is_sound_if_it_is_as_good_as_the_others_and_better_than_a_linear_model():
    known = {"score": 0.9, "loss": 0.3, "chance": 0.5}

    def row(score, loss=0.3, linear=0.7, longer=()):
        scores = [{"validation": each, "validation log_loss": loss} for each in (score - 0.001, score, score + 0.001)]
        return {"twin": scores, "linear": linear, "longer": [{"validation": each} for each in longer]}

    assert harm.is_sound(row(0.87), known)
    assert not harm.is_sound(row(0.84), known)
    assert not harm.is_sound(row(0.89, loss=0.6), known)
    assert not harm.is_sound(row(0.89, linear=0.89), known)


def test_a_program_that_twice_as_many_epochs_make_better_is_not_sound():
    known = {"score": 0.9, "loss": 0.3, "chance": 0.5}
    row = {"twin": [{"validation": 0.87, "validation log_loss": 0.3}] * 3, "linear": 0.7}
    assert harm.is_sound(row | {"longer": [{"validation": 0.88}] * 3}, known)
    assert not harm.is_sound(row | {"longer": [{"validation": 0.9}] * 3}, known)
    assert harm.is_sound(row | {"longer": [{"validation": value} for value in (0.85, 0.9, 0.93)]}, known)  # by chance


def test_facts_are_measured():
    assert harm.facts(record(work(replace(CIRCLES, epochs=30)))) == []
    assert set(harm.facts(record(work(replace(CIRCLES, learning_rate=1e-9))))) == {"miscalibrated", "below-baseline"}
    refused = work(CIRCLES)
    refused.data = replace(refused.data, X=np.full_like(refused.data.X, np.nan))
    trace = record(refused)
    assert trace.end == "refused"
    assert set(harm.facts(trace)) == {"one-class-predicted", "below-baseline"}


def test_a_fault_that_is_a_fact_has_to_show():
    one, other = {"end": "done", "validation": 0.5, "validation largest_share": 1.0}, {"end": "diverged", "validation": 0.9}
    assert harm.shows("one-class-predicted", [one, one, other | {"validation largest_share": 0.6}], 0.7)
    assert not harm.shows("diverged", [one, one, other], 0.7)
    assert harm.shows("below-baseline", [one, one, other], 0.7)
    assert not harm.shows("below-baseline", [one, one, other], 0.4)
    assert harm.shows("over-fitting", [one], 0.4)


CASE = faults.Case("case", CIRCLES, ("rate of adam",), "strong")


def test_right_are_the_code_its_synonyms_and_what_follows_is_no_false_alarm():
    found = [
        Found(("dead-units",), "warning", 0.1),
        Found(("diverged",), "error", 0.5),
        Found(("label-mistakes",), "note", 0.2),
    ]
    row = judge.row_of(CASE, found, []) | {"seconds": 1.0, "training_seconds": 2.0}
    assert judge.hits(row) == [True]
    assert not judge.is_first(row)
    assert judge.alarms(row) == [(["dead-units"], True), (["diverged"], True)]
    assert judge.time_to_first(row) == 0.5
    wrong = judge.row_of(CASE, [Found(("leaking-feature",))], ["below-baseline"])
    assert judge.hits(wrong) == [False]
    assert judge.alarms(wrong) == [(["leaking-feature"], False)]
    assert judge.alarms(judge.row_of(CASE, [Found(("below-baseline",))], ["below-baseline"])) == [(["below-baseline"], True)]


def test_sound_programs_have_no_right_alarm_and_healthy_is_no_finding():
    row = judge.row_of(None, [Found(("healthy",), "note"), Found(("over-fitting",))], [])
    assert row["found"] == [["over-fitting"]]
    rows = [
        row | {"seconds": 1.0, "training_seconds": 2.0},
        judge.row_of(None, [], []) | {"seconds": 1.0, "training_seconds": 2.0},
    ]
    figures = judge.figures(rows)
    assert figures["sound programs with an error or a warning"].startswith("1/2 = 0.500 (0.01–0.99)")
    assert figures["precision of errors and warnings"].startswith("0/1")
    assert figures["median seconds of the tool, per second of training"] == "0.50"
    assert judge.misses({"sound": row}) == ["sound: false over-fitting | said: over-fitting"]


def test_of_a_pair_each_is_to_be_found():
    pair = faults.Case("pair", CIRCLES, ("divided rate", "penalty"), "strong")
    row = judge.row_of(pair, [Found(("over-regularised",))], [])
    assert judge.hits(row) == [False, True]
    assert judge.is_first(row)
    assert judge.misses({"pair": row}) == ["pair: missed learning-rate-too-low | said: over-regularised"]


def test_single_programs_of_the_held_out_part_are_not_shown(capsys, monkeypatch, tmp_path):
    with pytest.raises(SystemExit, match="not shown"):
        run.main(["--part", "held-out", "--only", "report", "--misses"])
    monkeypatch.setattr(run, "measure", lambda job: [{"name": job.name}])
    monkeypatch.setattr(run, "RUNS", tmp_path)
    run.main(["--part", "held-out", "--only", "harm", "--most", "2"])
    assert capsys.readouterr().out == "1 of 2\n2 of 2\n"


def test_a_run_goes_on_and_reports(capsys, monkeypatch, tmp_path):
    case = faults.Case("faulty", replace(CIRCLES, update="momentum"), ("huge rate",), "strong")
    sound = replace(CIRCLES, name="sound", epochs=20)
    monkeypatch.setattr(run, "jobs_of", lambda part, copies: [sound, case])
    monkeypatch.setattr(run, "RUNS", tmp_path)
    monkeypatch.setattr(run, "is_sound", lambda *args: True)
    monkeypatch.setitem(tools.TOOLS, "oracle", lambda trace: [Found(("diverged",), "error", 0.5)])
    run.main(["--tools", "oracle", "--most", "1"])
    assert "Tools were asked of 1 of 1" in capsys.readouterr().out
    run.main(["--tools", "oracle", "--misses", "--codes"])
    report = capsys.readouterr().out
    assert "1 of 1: faulty" in report
    assert "1 sound programs, as 0 of 1 were not sound; 1 faulty ones" in report
    assert "| recall, strong doses | 1/1 = 1.000 (0.03–1.00) |" in report
    assert "| precision of errors and warnings | 1/2 = 0.500" in report
    assert "| diverged | 1/1 | 1/2 |" in report
    assert "sound: false diverged | said: diverged" in report


def test_data_that_are_not_finite_are_refused_by_the_network():
    made = faults.Case("gaps", CIRCLES, ("gaps",), "mild").work()
    network, trainer = made.build()
    with pytest.raises(InputError, match="is nan"):
        trainer.fit(network, made.data.X, made.data.y)


def test_no_row_is_in_two_parts_of_a_data_set(monkeypatch):
    X = np.random.default_rng(0).standard_normal((50, 3))
    twice = PROBLEMS["waves"]._replace(read=lambda: (np.concatenate([X, X]), np.zeros(100) + np.arange(100) % 2))
    monkeypatch.setitem(ALL, "twice", twice)
    data = load("twice")
    assert (
        len(np.unique(np.concatenate([data.X, data.X_val, data.X_clean]), axis=0))
        == 50
        == sum(map(len, (data.X, data.X_val, data.X_clean)))
    )
