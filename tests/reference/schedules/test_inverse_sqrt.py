PAGE = "schedules.inverse_sqrt"


def test_t5_is_flat_for_ten_thousand_updates_and_decays_without_end(rates, written_like):
    printed = "0.01000 0.01000 0.01000 0.00500 0.001381"

    found = rates(PAGE, [0, 9_999, 10_000, 40_000, 524_288], peak=0.01, warmup=10_000)

    assert written_like(printed, found) == printed


def test_the_general_form_rises_from_zero_to_the_same_curve(rates):
    found = rates(PAGE, [0, 2, 4, 16], {"warmup": "zero"}, peak=1, warmup=4)

    assert found.tolist() == [0, 0.5, 1, 0.5]
