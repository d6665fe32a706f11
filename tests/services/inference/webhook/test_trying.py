"""When to try again, and what a signature says."""

from hypothesis import given
from hypothesis import strategies as st

from services.inference.webhook.signing import TOLERANCE_S, signature, verified
from services.inference.webhook.trying import UNACCEPTABLE, Verdict, delay_s, judge
from shared.sections import WebhookSettings

SETTINGS = WebhookSettings(retry_first_s=1, retry_most_s=300)
SECRET = "a-secret-of-some-length"


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_waits_double_up_to_the_most_and_half_of_each_is_chance(failures: int, drawn: float) -> None:
    full = min(300, 2.0 ** min(failures - 1, 60))
    assert full / 2 <= delay_s(failures, SETTINGS, lambda: drawn) <= full


@given(st.none() | st.integers(100, 599), st.integers(1, 99), st.floats(0, 100))
def test_only_a_2xx_delivers_and_a_young_alert_is_given_up_only_where_it_is_unacceptable(
    status: int | None, tries: int, age_s: float
) -> None:
    verdict = judge(status, tries, age_s, give_up_s=1000)
    assert (verdict is Verdict.DELIVERED) == (status is not None and status // 100 == 2)
    assert verdict is not Verdict.GIVEN_UP or (status in UNACCEPTABLE and tries >= 5)


@given(st.binary(max_size=50), st.integers(0, 2**33), st.integers(-TOLERANCE_S, TOLERANCE_S))
def test_a_signature_holds_for_its_body_its_secret_and_its_time(body: bytes, at_s: int, skew: int) -> None:
    header = signature(SECRET, body, at_s)
    assert verified(SECRET, body, header, at_s + skew)
    assert not verified(SECRET, body + b"x", header, at_s)
    assert not verified(SECRET + "x", body, header, at_s)
    assert not verified(SECRET, body, header, at_s + TOLERANCE_S + 1)
    assert not verified(SECRET, body, header.replace("t=", "t=1"), at_s)
    assert not verified(SECRET, body, "v1=", at_s)
