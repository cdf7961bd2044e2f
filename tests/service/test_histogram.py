"""Histograms: Prometheus' `le` rule, addition, the way through a message."""

from camwatch.service.histogram import Histogram


def test_a_value_on_a_bound_belongs_to_the_bucket_below_it():
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 2.5):
        histogram.observe(value)
    assert histogram.counts == [2, 2, 1]
    assert histogram.count == 5
    assert histogram.total == 7.5


def test_lives_add_up_and_survive_the_pipe():
    first, second = Histogram((1.0,)), Histogram((1.0,))
    first.observe(0.5)
    second.observe(3.0)
    both = first.add(Histogram.from_list(second.to_list(), (1.0,)))
    assert both.counts == [1, 1]
    assert both.total == 3.5
    assert first.counts == [1, 0]


def test_quantile_is_the_bound_of_the_bucket_that_holds_it():
    histogram = Histogram((1.0, 2.0))
    assert histogram.quantile(0.95) is None
    for value in [0.5] * 90 + [1.5] * 10:
        histogram.observe(value)
    assert histogram.quantile(0.5) == 1.0
    assert histogram.quantile(0.95) == 2.0
