PAGE = "schedules.warmup_linear"
BERT = {"peak": 1e-4, "warmup": 10_000, "horizon": 1_000_000}


def test_the_official_code_of_bert_falls_where_the_warm_up_ends(rates, written_like):
    printed = "0.0e+00 1.000e-08 9.999e-05 9.900e-05 5.000e-05 0.0e+00"

    found = rates(PAGE, [0, 1, 9_999, 10_000, 500_000, 1_000_000], {"decay": "from_zero"}, **BERT)

    assert written_like(printed, found) == printed


def test_the_continuous_line_has_the_peak_where_the_warm_up_ends(rates):
    found = rates(PAGE, [10_000], **BERT)

    assert found.item() == 1e-4


def test_the_rate_is_zero_from_the_horizon_on(rates):
    found = rates(PAGE, [1_000_000, 1_250_000, 2_000_000], **BERT)

    assert found.tolist() == [0, 0, 0]


def test_the_decay_is_straight(rates):
    found = rates(PAGE, [2, 3, 4, 5, 6], peak=1, warmup=2, horizon=6)

    assert found.tolist() == [1, 0.75, 0.5, 0.25, 0]
