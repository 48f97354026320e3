"""Dates and times of day in tables: from the file to the inputs of the network, and the same again for new rows."""

import pickle
from datetime import UTC, date, datetime, time, timedelta, timezone

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from click.testing import CliRunner

from fcnet import FullyConnectedNet, load
from fcnet.cli import main
from fcnet.data import load_dataset
from fcnet.data.cells import Dialect
from fcnet.errors import DataWarning, InputError
from fcnet.export import export_onnx
from fcnet.model import Model
from fcnet.model_file import save
from fcnet.preprocessing import TableFeatures

QUICK = ["--set", "epochs=2", "--set", "hidden=[4]"]
PARTS = "as year, month, weekday, hour and elapsed days, of these what varies"


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def lines(*rows):
    return "\n".join(rows) + "\n"


def moments():
    """Dates of two centuries, with the days at which calendars go wrong."""
    rng = np.random.default_rng(0)
    ends = [datetime(year, *day) for year in (1900, 1904, 1999, 2000, 2001, 2024, 2100) for day in ((2, 28), (3, 1), (12, 31))]
    leap = [datetime(year, 2, 29, 23, 59, 59) for year in (1904, 1968, 2000, 2024, 2096)]
    random = [datetime(1900, 1, 1) + timedelta(seconds=int(s)) for s in rng.integers(200 * 365 * 86400, size=300)]
    edges = [datetime(1970, 1, 1), datetime(1969, 12, 31, 23, 59, 59), datetime(1969, 12, 31), datetime(1900, 1, 1)]
    return [*ends, *leap, *edges, *random, datetime(1950, 6, 1, 12, 0, 0, 250000)]


def parts(moment):
    """What Python's calendar says."""
    hour = moment.hour + moment.minute / 60 + (moment.second + moment.microsecond / 1e6) / 3600
    days = (moment - datetime(1970, 1, 1)) / timedelta(days=1)
    return [moment.year, moment.month, moment.weekday(), hour, days]


def model_of(table, seed=1):
    return Model(FullyConnectedNet([table.n_outputs, 8, 2], seed=seed, dtype="float64"), table, ["no", "yes"])


def test_parts_of_dates_are_those_of_the_calendar():
    frame = pl.DataFrame({"day": moments()})
    table = TableFeatures.fit(frame)
    expected = np.array([parts(moment) for moment in moments()])
    np.testing.assert_allclose(table.dates.mean[0], expected.mean(axis=0), rtol=1e-12)
    found = table.transform(frame, np.float64) * table.dates.std + table.dates.mean
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    seconds = [moment.replace(tzinfo=UTC).timestamp() for moment in moments()]
    np.testing.assert_array_equal(table.encode(frame)[:, 0], seconds)
    np.testing.assert_array_equal(table.transform(np.array(seconds)[:, np.newaxis]), table.transform(frame))
    assert table.transform(frame).dtype == np.float32


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_graph_takes_dates_as_seconds(dtype, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    frame = pl.DataFrame({"when": moments(), "x": [float(i % 7) for i in range(len(moments()))], "same": [moments()[0]] * 331})
    table = TableFeatures.fit(frame)
    model = Model(FullyConnectedNet([table.n_outputs, 8, 2], seed=1, dtype=dtype), table, ["no", "yes"])
    assert export_onnx(model, tmp_path / "m.onnx") < 1e-5
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    assert [value.name for value in session.get_inputs()] == ["when", "x"]  # one that never varied says nothing
    frame = pl.concat([frame, frame[:2].with_columns(when=pl.lit(None, pl.Datetime("us")))])
    seconds = frame["when"].dt.epoch("us").cast(float).fill_null(np.nan).to_numpy() / 1e6
    inputs = {"when": seconds[:, np.newaxis], "x": frame["x"].to_numpy()[:, np.newaxis]}
    np.testing.assert_allclose(session.run(["logits"], inputs)[0], model.logits(frame), rtol=1e-5, atol=1e-5)


FORMATS = {
    "YYYY-MM-DD": "%Y-%m-%d",
    "YYYY-MM-DD and a time": "%Y-%m-%dT%H:%M:%S",
    "YYYY/MM/DD": "%Y/%m/%d",
    "DD.MM.YYYY": "%d.%m.%Y %H:%M",
    "MM/DD/YYYY": "%m/%d/%Y",
    "DD-MM-YYYY": "%d-%m-%Y",
    "DD Month YYYY": "%d %b %Y",
    "Month DD, YYYY": "%B %d, %Y",
}


def days(n=60):
    return [datetime(2023, 12, 20, 6 * (i % 4)) + timedelta(days=i) for i in range(n)]


@pytest.mark.parametrize("name", FORMATS)
def test_text_of_one_format_is_dates(name, tmp_path):
    path, written, form = tmp_path / "t.csv", FORMATS[name], name.removesuffix(" and a time")
    truth = [day if "%H" in written else datetime.combine(day, time()) for day in days()]
    texts = [f'"{day.strftime(written)}"' for day in truth]
    path.write_text(lines("x,day,y", *(f"{i % 7},{text},{'ab'[i % 2]}" for i, text in enumerate(texts)), "1,,a", "1,NA,b"))
    data = load_dataset(str(path))
    assert f"Dates, learnt {PARTS}: 'day' ({form})" in data.notes
    assert "2 of 62 values of 'day' are missing ('NA' in 1); they count as the median of the training rows" in data.notes
    assert data.dialect.formats == {"day": form}
    together = pl.concat([data.X_train, data.X_val, data.X_test])["day"].drop_nulls().sort()
    assert together.to_list() == truth
    table = TableFeatures.fit(data.X_train, data.dialect)
    assert table.dates.widths == [5 if "%H" in written else 4]
    save(tmp_path / "m.safetensors", model_of(table))
    again = load(tmp_path / "m.safetensors").preprocessor
    assert again.dialect == data.dialect
    row = pl.DataFrame({"x": [1, 1], "day": [truth[9].strftime(written), None]})
    np.testing.assert_array_equal(
        again.transform(row)[0], table.transform(row.with_columns(day=pl.Series([truth[9], None])))[0]
    )
    np.testing.assert_array_equal(again.encode(row)[1], [1, table.dates.median[0]])
    with pytest.raises(InputError, match=f"'day' holds '7 days' in row 2, and the model was trained on dates there, as {form}"):
        again.encode(row.with_columns(day=pl.Series([truth[9].strftime(written), "7 days"])))


def test_dates_are_trained_on_and_predicted_and_exported(tmp_path):
    pytest.importorskip("onnxruntime")
    path, out = tmp_path / "t.csv", tmp_path / "run"
    rows = [f"{day:%d.%m.%Y},{i % 3},{'ab'[day.weekday() > 4]}" for i, day in enumerate(days(100))]
    path.write_text(lines("day,x,y", *rows))
    result = run("train", path, "--out", out, "--set", "epochs=60")
    assert result.exit_code == 0, result.output
    assert f"Dates, learnt {PARTS}: 'day' (DD.MM.YYYY)" in result.stderr
    new = tmp_path / "new.csv"
    new.write_text(lines("x,day", "1,02.03.2024", "1,05.03.2024", "1,"))
    said = run("predict", out, new)
    assert [line[0] for line in said.stdout.splitlines()[1:3]] == ["b", "a"]  # a Saturday, a Tuesday
    new.write_text(lines("x,day", "1,2024-03-02"))
    refused = run("predict", out, new)
    assert "'day' holds '2024-03-02' in row 1, and the model was trained on dates there, as DD.MM.YYYY" in refused.stderr
    pl.DataFrame({"x": [1], "day": [date(2024, 3, 2)]}).write_parquet(tmp_path / "new.parquet")  # has a type of its own
    assert run("predict", out, tmp_path / "new.parquet").stdout.splitlines()[1] == said.stdout.splitlines()[1]
    assert run("evaluate", out).exit_code == 0
    assert run("export", out, "--to", tmp_path / "m.onnx").exit_code == 0
    assert run("export", out, "--to", tmp_path / "card.md").exit_code == 0
    assert "| day | date: year, month, weekday, elapsed days | the median, 2024-" in (tmp_path / "card.md").read_text()


AMBIGUOUS = {
    "both orders": (["01/02/2024", "03/04/2024"], "holds dates that may be DD/MM/YYYY or MM/DD/YYYY, as '01/02/2024'"),
    "no order": (["13/02/2024", "02/13/2024"], "holds dates, as '13/02/2024'"),
    "no day": (["2024-02-30", "2024-02-01"], "holds dates, as '2024-02-30'"),
    "two formats": (["2024-02-28", "28.02.2024"], "holds dates, as '2024-02-28'"),
}


@pytest.mark.parametrize("kind", AMBIGUOUS)
def test_dates_that_cannot_be_told_are_refused(kind, tmp_path):
    texts, words = AMBIGUOUS[kind]
    path = tmp_path / "t.csv"
    path.write_text(lines("day,x,y", *(f"{texts[i % 2]},{i % 7},{'ab'[i % 2]}" for i in range(40))))
    with pytest.raises(InputError, match=f"the column 'day' {words}"):
        load_dataset(str(path))


def test_a_target_of_dates_is_classes(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(lines("x,y", *(f"{i % 7},{('2024-01-01', '2024-01-02')[i % 2]}" for i in range(40))))
    assert load_dataset(str(path)).classes == ["2024-01-01", "2024-01-02"]


def test_time_zones_become_utc(tmp_path):
    utc = pl.Series([day.replace(tzinfo=UTC) for day in days()])
    frame = pl.DataFrame({"when": utc.dt.convert_time_zone("Europe/Berlin"), "x": range(60), "y": ["a", "b"] * 30})
    frame.write_parquet(tmp_path / "t.parquet")
    texts = [day.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat() for day in utc]
    frame.with_columns(when=pl.Series(texts)).write_csv(tmp_path / "t.csv")
    notes = {
        ".parquet": "'when' (converted from Europe/Berlin to UTC)",
        ".csv": "'when' (YYYY-MM-DD, converted from the zones given to UTC)",
    }
    for ending, note in notes.items():
        data = load_dataset(str(tmp_path / f"t{ending}"))
        assert f"Dates, learnt {PARTS}: {note}" in data.notes
        found = pl.concat([data.X_train, data.X_val, data.X_test]).sort("x")["when"]
        assert found.dt.replace_time_zone(None).to_list() == days()
    table = TableFeatures.fit(data.X_train)
    plain = pl.DataFrame({"when": days(), "x": range(60)})
    with pytest.warns(DataWarning, match="they are taken for UTC") as told:
        expected = table.transform(plain)
    assert told[0].filename == __file__
    berlin = frame.drop("y")
    for other in (berlin, berlin.to_pandas(), berlin.to_arrow(), frame.with_columns(when=pl.Series(texts))):
        np.testing.assert_array_equal(table.transform(other), expected)
    for other in (plain.to_pandas(), plain.to_arrow(), plain.cast({"when": pl.String})):
        again = TableFeatures.from_arrays(table.get_config(), table.arrays())
        assert again.column_words()[0][1].startswith("date in UTC: ")
        with pytest.warns(DataWarning, match="'when' have no time zone, and those that the model was trained on had one"):
            np.testing.assert_array_equal(again.transform(other), expected)
        np.testing.assert_array_equal(again.transform(other), expected)  # nothing is said twice


def test_times_of_day_are_hours(tmp_path):
    at = [time(i % 24, 30) for i in range(59)] + [None]
    frame = pl.DataFrame({"at": at, "x": range(60), "y": ["a", "b"] * 30})
    frame.write_parquet(tmp_path / "t.parquet")
    frame.with_columns(pl.col("at").dt.to_string("%H:%M")).write_csv(tmp_path / "t.csv")
    for ending in (".parquet", ".csv"):
        data = load_dataset(str(tmp_path / f"t{ending}"))
        assert "Times of day, learnt as hours: 'at'" in data.notes
        assert "Numbers: 'x'" in data.notes
        hours = pl.concat([data.X_train, data.X_val, data.X_test]).sort("x")["at"]
        assert hours[:-1].to_list() == pytest.approx([i % 24 + 0.5 for i in range(59)])
        assert hours[-1] is None
        table = TableFeatures.fit(data.X_train, data.dialect)
        for column in (pl.Series([time(9, 30), None]), pl.Series(["9:30", None]), pl.Series([9.5, None])):
            found = table.encode(pl.DataFrame({"at": column, "x": [1, 1]}))[:, 0]
            assert found.tolist() == pytest.approx([9.5, table.numbers.median[0]])
        with pytest.raises(InputError, match="'at' holds 'noon' in row 1, and the model was trained on times of day there"):
            table.encode(pl.DataFrame({"at": ["noon"], "x": [1]}))


def test_frames_with_dates(tmp_path):
    day = [date(2024, 1, 31), None, date(2023, 5, 1)] * 4
    frame = pd.DataFrame({"day": pd.Series(day, dtype=object), "when": pd.to_datetime(pd.Series(day)), "x": range(12)})
    table = TableFeatures.fit(frame)
    assert table.columns == [("day", None), ("when", None), ("x", None)]
    assert table.dates.names == ["day", "when"]
    expected = table.transform(frame)
    for other in (pa.Table.from_pandas(frame), pl.from_pandas(frame), frame.assign(day=frame["when"]), frame.iloc[:, ::-1]):
        np.testing.assert_array_equal(table.transform(other), expected)
    with pytest.raises(InputError, match=r"'day' holds '5' in row 1, and the model was trained on dates there, as YYYY-MM-DD"):
        table.transform(frame.assign(day=5))


def test_a_date_in_training_alone_says_nothing():
    frame = pl.DataFrame({"day": [date(2024, 1, 1), None, date(2024, 1, 1)], "x": [1.0, 2.0, 3.0]})
    table = TableFeatures.fit(frame)
    assert (table.n_outputs, table.dates.widths) == (1, [0])
    assert table.column_words()[0] == ("day", "date: nothing, as it did not vary", "the median, 2024-01-01")
    other = table.transform(frame.with_columns(day=date(1900, 1, 1)))
    np.testing.assert_array_equal(other, table.transform(frame))


def test_a_damaged_file_of_dates_is_refused():
    table = TableFeatures.fit(pl.DataFrame({"day": days(), "c": ["a", "b"] * 30}))
    config, arrays = table.get_config(), table.arrays()
    np.testing.assert_array_equal(
        TableFeatures.from_arrays(config, arrays).transform(np.zeros((2, 2))), table.transform(np.zeros((2, 2)))
    )
    clock = Dialect(formats={"day": "hh:mm"}).to_dict()
    for changes in ({"dates": ["c"]}, {"dates": "day"}, {"dates": ["night"]}, {"dates": []}, {"dialect": clock}):
        with pytest.raises(InputError):
            TableFeatures.from_arrays(config | changes, arrays)
    medians = [{"date_median": np.array([value])} for value in (1e300, -1e19, np.inf, np.nan)]
    for changes in ({"date_mean": np.zeros((1, 4))}, {"date_median": np.zeros(2)}, *medians):
        with pytest.raises(InputError):
            TableFeatures.from_arrays(config, arrays | changes)


def test_a_pickle_of_before_there_were_dates():
    table = TableFeatures.fit(pl.DataFrame({"x": [1.0, 2.0, None], "c": ["a", "b", None]}))
    old = TableFeatures.__new__(TableFeatures)
    old.__setstate__({"columns": table.columns, **table.arrays(), "dialect": None})
    frame = pl.DataFrame({"x": [5.0, None], "c": ["b", "z"]})
    np.testing.assert_array_equal(old.transform(frame), table.transform(frame))


def test_a_pickle_of_before_there_were_formats():
    table = TableFeatures.fit(pl.DataFrame({"x": ["1,5", "2,5"], "day": ["2024-01-01", "2024-01-02"]}), Dialect(";", ["x"]))
    del vars(table.dialect)["formats"]
    again = pickle.loads(pickle.dumps(table))
    assert again.dialect == Dialect(";", ["x"])
    assert TableFeatures.from_arrays(again.get_config(), again.arrays()).dialect == again.dialect
