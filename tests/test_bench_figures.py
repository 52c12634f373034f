"""The benchmark's figures: medians, marks, comparisons, tables, charts."""

import json
import math

import pytest

from fastws.bench.charts import bar_charts, curve_charts, scale_charts
from fastws.bench.compare import changes, changes_table, worst
from fastws.bench.contenders import Kind
from fastws.bench.curves import curves_svg
from fastws.bench.export import Unreadable, document, json_text, read
from fastws.bench.figures import Figure, Key, Problem, Results, best_of
from fastws.bench.glance import glance
from fastws.bench.page import page
from fastws.bench.scenarios import SCENARIOS, load
from fastws.bench.screen import _STYLES
from fastws.bench.table import Column, Row, Spec, Table, matrix, number, seconds
from fastws.bench.text import WIDTH, lines_of, text_table


def figure(contender, rounds, kind=Kind.PEER, quantity="time", **where):
    place = {"scenario": "mask", "work": "mask", "size": 125, "connections": 0, **where}
    return Figure(Key(**place, contender=contender, quantity=quantity), kind, list(rounds))


def results_of(*figures):
    return Results({one.key: one for one in figures})


def test_a_figure_is_the_median_of_its_rounds():
    assert figure("a", [3.0, 1.0, 2.0]).median == 2.0
    assert figure("a", [3.0, 1.0, 2.0]).best == 1.0
    assert figure("a", [3.0, 1.0, 2.0], quantity="rate").best == 3.0


def test_a_figure_is_noisy_when_its_rounds_disagree():
    assert not figure("a", [1.0, 1.0, 1.1]).noisy
    assert figure("a", [1.0, 1.5, 1.6]).noisy
    assert figure("a", [1.0, 1.5, 2.0], quantity="rate").noisy


def test_less_time_and_more_messages_are_better():
    fast, slow = figure("a", [1.0]), figure("b", [4.0])
    assert fast.times_as_good_as(slow) == 4.0
    assert best_of([slow, fast], lambda f: True) is fast
    many, few = figure("a", [100.0], quantity="rate"), figure("b", [50.0], quantity="rate")
    assert many.times_as_good_as(few) == 2.0
    assert best_of([few, many], lambda f: True) is many
    assert best_of([few], lambda f: f.kind is Kind.OWN) is None


def test_figures_are_the_same_after_they_were_written_and_read(tmp_path):
    results = results_of(figure("a", [1.0, 2.0]), figure("b", [3.0], Kind.OWN))
    results.problems.append(Problem("mask", "c", Kind.PEER, "no reply"))
    results.machine["processor"] = "a processor"
    path = tmp_path / "results.json"
    path.write_text(json_text(document(results, complete=True)), encoding="utf-8")
    found, again = read(path)
    assert again == results
    assert found["complete"] is True


@pytest.mark.parametrize("damage", [{"rounds": []}, {"quantity": "speed"}, {"kind": "friend"}])
def test_a_damaged_file_is_refused(damage, tmp_path):
    content = document(results_of(figure("a", [1.0])))
    content["figures"][0].update(damage)
    path = tmp_path / "results.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(Unreadable, match="is no file of --json"):
        read(path)


def test_changes_are_those_of_fastws_that_both_runs_have():
    old = results_of(
        figure("fastws", [1.0], Kind.OWN), figure("peer", [1.0]), figure("gone", [1.0], Kind.OWN)
    )
    new = results_of(
        figure("fastws", [1.3], Kind.OWN), figure("peer", [9.0]), figure("new", [1.0], Kind.OWN)
    )
    [change] = changes(old, new)
    assert change.new.key.contender == "fastws"
    assert math.isclose(change.loss, 0.3)
    assert worst([change], 0.29) == [change]
    assert worst([change], 0.31) == []
    assert "0.77x" in text_table(changes_table([change], "old.json"))


def test_a_lower_rate_is_a_loss():
    old = results_of(figure("fastws", [100.0], Kind.OWN, "rate"))
    [change] = changes(old, results_of(figure("fastws", [80.0], Kind.OWN, "rate")))
    assert math.isclose(change.loss, 0.2)
    assert math.isclose(change.gain, 0.8)


# Tables


def test_a_table_puts_fastws_first_and_limits_last_and_compares_the_best():
    figures = [
        figure("peer", [2.0]),
        figure("worse peer", [5.0]),
        figure("memcpy", [0.5], Kind.LIMIT),
        figure("fastws", [1.0], Kind.OWN),
    ]
    table = matrix(results_of(*figures), "mask", "mask", [Spec("", "s", figures, number)])
    assert [row.name for row in table.rows] == ["fastws", "peer", "worse peer", "memcpy"]
    assert [(row.name, row.cells) for row in table.comparisons] == [
        ("fastws : best peer", ("2.00x",)),
        ("fastws : limit", ("0.50x",)),
    ]


def test_doubtful_figures_are_marked():
    noisy, limited = figure("noisy", [1.0, 2.0]), figure("limited", [1.0])
    limited.load_limited = True
    figures = [noisy, limited]
    table = matrix(results_of(*figures), "mask", "mask", [Spec("", "s", figures, number)])
    assert [row.cells for row in table.rows] == [("1.50~",), ("1.00*",)]


def test_columns_that_do_not_fit_go_below_and_groups_stay_together():
    columns = tuple(Column(f"group {i // 2}", f"heading {i}") for i in range(20))
    rows = (Row("a contender", Kind.OWN, tuple(f"{i:,}" for i in range(20))),)
    lines = text_table(Table("title", columns, rows, notes=("note " * 40,))).splitlines()
    assert max(map(len, lines)) <= WIDTH
    headings = [line.split() for line in lines if "heading" in line]
    assert len(headings) > 1
    assert all(len(words) % 4 == 0 for words in headings)


def test_every_line_of_a_table_has_a_style_on_the_screen():
    rows = [Row(kind.value, kind, ("1",)) for kind in Kind] + [Row("no kind", None, ("1",))]
    comparisons = (Row("a : b", None, ("1.00x",)),)
    table = Table("title", (Column("above", "x"),), tuple(rows), comparisons, ("n",), ("p",))
    lines = list(lines_of(table, 60))
    assert {line.role for line in lines} == set(_STYLES)
    assert "\n".join(line.text for line in lines) + "\n" == text_table(table, 60)


def test_times_have_the_unit_that_suits_them():
    assert [seconds(value) for value in (5e-9, 1.234e-5, 0.5, 100.0)] == [
        "5.00 ns",
        "12.3 µs",
        "500 ms",
        "100 s",
    ]


# Charts and pages


def servers():
    """Figures of an echo, at which everything can be shown."""
    where = {"scenario": "echo", "work": "round trips", "size": 64, "connections": 50}
    return [
        figure("fastws (uvloop)", [1e-5], Kind.OWN, "cpu", **where),
        figure("<peer> & co", [2e-5], Kind.PEER, "cpu", **where),
        figure("fastws (uvloop)", [1e5], Kind.OWN, "rate", **where),
    ]


def test_bars_have_the_best_first():
    [chart] = bar_charts(results_of(*reversed(servers())))
    assert [bar.name for bar in chart.bars] == ["fastws (uvloop)", "<peer> & co"]
    assert chart.less_is_better
    assert chart.bars[0].text == "10.0 µs"


def test_curves_take_more_than_one_size():
    one, two = figure("a", [1e-8]), figure("a", [1e-7], size=1024)
    assert list(curve_charts(results_of(one))) == []
    [chart] = curve_charts(results_of(two, one))
    assert [label for _, label in chart.ticks] == ["125 B", "1 KiB"]
    assert "<polyline" in curves_svg(chart)


def test_workers_make_a_curve():
    where = {"scenario": "scale", "size": 64, "quantity": "rate"}
    one = figure("a", [1000.0], work="1 worker", **where)
    two = figure("a", [1900.0], work="2 workers", **where)
    [chart] = scale_charts(results_of(one, two))
    assert chart.curves[0].points == ((1.0, 1.0), (2.0, 1.9))


def test_a_page_takes_names_as_text_and_tells_of_problems():
    results = results_of(*servers())
    results.problems.append(Problem("echo", "other", Kind.PEER, "<no> reply"))
    text = page({"complete": False, "command": "x", "date": "2026-01-01T00:00:00+00:00"}, results)
    assert "&lt;peer&gt; &amp; co" in text
    assert "<peer>" not in text
    assert "other: &lt;no&gt; reply" in text
    assert "This run was interrupted" in text
    assert "2.00&times;" in text


def test_glance_compares_with_the_best_peer():
    [line] = glance(results_of(*servers()))
    assert line.work == "echo 64 B, round trips, 50 connections"
    assert line.ratio == 2.0
    assert line.form(line.ours) == "10.0 µs"


def test_glance_compares_with_the_limit_where_there_is_no_peer():
    ours, theirs, _ = servers()
    limit = Figure(ours.key._replace(contender="bare"), Kind.LIMIT, [5e-6])
    [line] = glance(results_of(ours, limit))
    assert line.other is limit
    assert [line.other for line in glance(results_of(ours, theirs, limit))] == [theirs]


def test_every_scenario_has_a_question_and_a_module():
    for name, scenario in SCENARIOS.items():
        assert scenario.question
        module = load(name)
        assert callable(module.measure)
        assert list(module.tables(Results(), name)) == []
