"""How often a sink that does not answer is asked."""

from gateway.workers.breaker import FAILURES_TO_OPEN, PAUSE_MAX_S, Breaker


def failing(times: int) -> tuple[Breaker, float]:
    breaker, now_s = Breaker(), 0.0
    for _ in range(times):
        now_s += breaker.wait_s(now_s)
        assert 0 == breaker.wait_s(now_s)
        breaker.failed(now_s, retry_after_s=None)
    return breaker, now_s


def test_pauses_grow_and_stay_below_a_bound():
    waits = [breaker.wait_s(now_s) for breaker, now_s in map(failing, (1, 4, 40))]

    assert waits[0] <= 0.25 < waits[1] < waits[2] <= PAUSE_MAX_S


def test_an_open_circuit_lets_one_attempt_through_at_a_time():
    breaker, now_s = failing(FAILURES_TO_OPEN)
    now_s += PAUSE_MAX_S

    assert breaker.open
    assert 0 == breaker.wait_s(now_s)
    assert breaker.wait_s(now_s) > 0


def test_an_attempt_that_was_broken_off_does_not_block_the_next():
    breaker, now_s = failing(FAILURES_TO_OPEN)
    now_s += PAUSE_MAX_S
    breaker.wait_s(now_s)

    breaker.gave_up()

    assert 0 == breaker.wait_s(now_s)


def test_a_success_closes_it_and_says_that_it_was_open():
    breaker, _ = failing(FAILURES_TO_OPEN)

    assert breaker.succeeded()
    assert not breaker.open
    assert not breaker.succeeded()


def test_the_receivers_own_wish_is_honoured_within_an_hour():
    breaker = Breaker()
    breaker.failed(0.0, retry_after_s=120.0)
    patient = Breaker()
    patient.failed(0.0, retry_after_s=10**9)

    assert 120 == breaker.wait_s(0.0)
    assert 3600 == patient.wait_s(0.0)
