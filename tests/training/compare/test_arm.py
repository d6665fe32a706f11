"""Ways of training as they are typed."""

import pytest

from shared.errors import SelfmisError
from training.compare.arm import Arm, CompareError, parse_arm, parse_common


def test_a_method_alone_is_an_arm() -> None:
    assert parse_arm("supervised") == Arm("supervised")


def test_options_of_the_method_and_of_its_training_are_told_apart() -> None:
    arm = parse_arm("selfmis:projection=mlp,epochs=5")
    assert (arm.options, arm.changes) == (("projection=mlp",), (("epochs", 5),))


def test_a_teacher_may_be_named_with_options_of_its_own() -> None:
    arm = parse_arm("selfmis:epochs=2@upper:statements=20,encoder=mid")
    assert arm.teacher == Arm("upper", (), (("statements", 20), ("encoder", "mid")))


@pytest.mark.parametrize("text", ["supervised", "joint:align=0.3,lr=0.01", "selfmis@cmsc:dim=64,epochs=3"])
def test_the_title_of_an_arm_is_what_was_typed(text: str) -> None:
    assert parse_arm(text).title == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("selfmiss", "no method 'selfmiss'; there are"),
        ("selfmis:colour=red", "selfmis has no option 'colour'; it takes"),
        ("selfmis:projection", "write options as KEY=VALUE"),
        ("selfmis:projection=cubic", "projection must be one of"),
        ("supervised:epochs=many", "epochs must be a number"),
        ("supervised@upper", "has no use for a teacher"),
    ],
)
def test_what_cannot_be_trained_is_refused(text: str, message: str) -> None:
    with pytest.raises(SelfmisError, match=message):
        parse_arm(text)


def test_common_options_go_to_the_methods_that_have_them_and_stay_out_of_titles() -> None:
    arm = parse_arm("selfmis:crop=0.5@upper", ("crop=0.9", "dropout=0.3", "virtual=0.2"))
    assert (arm.title, arm.all_options) == ("selfmis:crop=0.5@upper", ("virtual=0.2", "crop=0.5"))
    assert arm.teacher is not None
    assert arm.teacher.all_options == ("crop=0.9", "dropout=0.3")


def test_what_is_common_to_all_is_parted_into_plans_and_options() -> None:
    assert parse_common("ema=0.99, crop=0.9") == ({"ema": 0.99}, ("crop=0.9",))


@pytest.mark.parametrize(
    ("text", "message"), [("crop", "KEY=VALUE"), ("speed=1", "no[a-z]* that is trained has an option 'speed'")]
)
def test_common_options_that_nothing_has_are_refused(text: str, message: str) -> None:
    with pytest.raises(CompareError, match=message):
        parse_common(text)
