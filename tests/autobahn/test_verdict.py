"""The verdict on the suite's reports, without the suite."""

import pytest
from verdict import faults, table


def result(behavior, close="OK"):
    return {"behavior": behavior, "behaviorClose": close, "duration": 1}


def test_good_verdicts_are_no_faults():
    good = {"1.1.1": result("OK"), "3.2": result("NON-STRICT"), "7.13.1": result("INFORMATIONAL")}
    assert faults(good) == []


@pytest.mark.parametrize("behavior", ["FAILED", "UNIMPLEMENTED"])
def test_a_bad_verdict_is_a_fault(behavior):
    assert faults({"1.1.1": result(behavior)}) == [f"1.1.1: {behavior}, close OK"]


@pytest.mark.parametrize("close", ["FAILED", "UNCLEAN", "WRONG CODE", "FAILED BY CLIENT"])
def test_a_wrong_close_is_a_fault_of_a_case_that_is_ok(close):
    assert faults({"1.1.1": result("OK", close)}) == [f"1.1.1: OK, close {close}"]


def test_faults_are_in_the_order_of_the_cases():
    bad = {case: result("FAILED") for case in ("10.1.1", "9.1.1", "9.1.10", "9.1.2")}
    assert [line.split(":")[0] for line in faults(bad)] == ["9.1.1", "9.1.2", "9.1.10", "10.1.1"]


def test_the_table_counts_by_section():
    results = {
        "1.1.1": result("OK"),
        "1.1.2": result("OK", "UNCLEAN"),
        "12.1.1": result("UNIMPLEMENTED"),
        "7.1.1": result("FAILED", "FAILED"),
    }
    assert table(results).splitlines()[2:] == [
        "| 1 Framing | 2 | 2 | 0 | 0 | 0 | 0 | 1 |",
        "| 7 Closing | 1 | 0 | 0 | 0 | 0 | 1 | 1 |",
        "| 12 Compression, messages of many sizes | 1 | 0 | 0 | 0 | 1 | 0 | 0 |",
        "| all | 4 | 2 | 0 | 0 | 1 | 1 | 2 |",
    ]


def test_a_verdict_that_nobody_knows_is_an_error():
    with pytest.raises(ValueError, match="PERHAPS"):
        table({"1.1.1": result("PERHAPS")})
