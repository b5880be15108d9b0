import pytest

from acclimate.evaluation.reliability import Bin, expected_error, reliability


def test_each_bin_holds_its_own() -> None:
    bins = reliability([0.0, 0.05, 0.95, 1.0, 0.9], [False, True, True, True, False])
    assert [(one.low, one.high, one.count) for one in bins] == [(0.0, 0.1, 2), (0.9, 1.0, 3)]
    assert [one.right for one in bins] == pytest.approx([0.5, 2 / 3])
    assert [one.confidence for one in bins] == pytest.approx([0.025, 0.95])


def test_the_expected_error_weighs_bins_by_what_they_hold() -> None:
    bins = [Bin(0.0, 0.5, 3, 0.2, 0.4), Bin(0.5, 1.0, 1, 0.9, 0.5)]
    assert expected_error(bins) == pytest.approx((3 * 0.2 + 0.4) / 4)
    assert expected_error([]) == 0.0


def test_a_perfect_forecaster_has_no_error() -> None:
    sure = [0.25] * 4 + [0.75] * 4
    right = [True, False, False, False, True, True, True, False]
    assert expected_error(reliability(sure, right)) == pytest.approx(0)


def test_what_is_no_confidence_is_refused() -> None:
    with pytest.raises(ValueError, match="0 and 1"):
        reliability([1.2], [True])
