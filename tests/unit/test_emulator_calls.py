"""How calls are counted."""

from tests.emulator.calls import CallCounts


def test_max_per_second_is_that_of_any_second() -> None:
    clock = iter([0.0, 0.5, 0.75, 1.0, 1.25, 1.5, 3.0, 3.5])
    counts = CallCounts(lambda: next(clock))
    for _ in range(8):
        counts.add("Start")

    # From 0.75 to 1.5; by full seconds it would be three, and 0.5 is a second from 1.5.
    assert counts.report()["max_per_second"] == {"Start": 4}


def test_calls_are_counted_each_for_itself() -> None:
    counts = CallCounts(lambda: 0.0)
    counts.add("Start")
    counts.add("Get")
    counts.add_refusal("Get")
    counts.add_error("Get", "ThrottlingException")
    counts.add_error("Get", "ThrottlingException")

    assert counts.report()["max_per_second"] == {"Start": 1, "Get": 1}
    assert counts.report()["calls"]["Get"] == {"count": 1, "refused": 1}
    assert counts.report()["errors"] == {"Get": {"ThrottlingException": 2}}
