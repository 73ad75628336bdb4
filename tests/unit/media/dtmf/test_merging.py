import pytest

from sipparty.media.dtmf.events import DigitEnded, DigitReceived
from sipparty.media.dtmf.merging import WITHIN, Merger


class Call:
    def __init__(self):
        self.merger = Merger()
        self.passed = []

    def press(self, digit, method, begins, ends=None):
        for event, now in (
            (DigitReceived(digit, method), begins),
            (DigitEnded(digit, method, 0.1), begins + 0.1 if ends is None else ends),
        ):
            if self.merger.takes(event, now):
                self.passed.append((type(event).__name__[5:], digit, method))
        return self

    @property
    def begun(self):
        return [(digit, method) for what, digit, method in self.passed if what == "Received"]


@pytest.mark.parametrize("method", ["rtp", "info", "inband"])
def test_presses_of_one_method_are_passed_on(method):
    call = Call().press("1", method, 0.0).press("1", method, 0.11).press("2", method, 0.2)
    assert call.begun == [("1", method), ("1", method), ("2", method)]
    assert [what for what, _, _ in call.passed] == ["Received", "Ended"] * 3
    assert call.merger.merged == 0


def test_the_same_press_by_another_method_is_one():
    call = Call().press("1", "rtp", 0.0).press("1", "info", 0.15)
    assert call.passed == [("Received", "1", "rtp"), ("Ended", "1", "rtp")]
    assert call.merger.merged == 1
    call.press("1", "rtp", 0.3).press("1", "info", 0.45).press("2", "info", 0.5)
    assert call.begun == [("1", "rtp"), ("1", "rtp"), ("2", "info")]


def test_it_is_one_while_the_first_lasts():
    call = Call()
    assert call.merger.takes(DigitReceived("1", "rtp"), 0.0)
    call.press("1", "info", 9.0)
    assert call.passed == []
    assert call.merger.takes(DigitEnded("1", "rtp", 10.0), 10.0)


@pytest.mark.parametrize(("late", "begun"), [(0.0, 1), (0.01, 2)])
def test_much_later_it_is_another(late, begun):
    assert len(Call().press("1", "rtp", 0.0).press("1", "info", 0.1 + WITHIN + late).begun) == begun


def test_two_more_of_the_other_method_are_not_one():
    call = Call().press("1", "rtp", 0.0).press("1", "info", 0.1).press("1", "info", 0.2)
    assert call.begun == [("1", "rtp"), ("1", "info")]


def test_all_three_methods_are_one():
    assert (
        len(Call().press("1", "rtp", 0.0).press("1", "inband", 0.05).press("1", "info", 0.1).begun)
        == 1
    )


def test_tones_are_not_believed_once_keys_are_signalled():
    call = Call().press("1", "inband", 0.0).press("2", "inband", 1.0)
    assert call.begun == [("1", "inband"), ("2", "inband")]
    call.press("3", "rtp", 2.0).press("4", "inband", 9.0).press("5", "info", 20.0)
    assert call.begun[2:] == [("3", "rtp"), ("5", "info")]
    assert call.merger.merged == 1


def test_what_was_not_passed_on_does_not_end():
    call = Call().press("1", "rtp", 0.0).press("9", "inband", 0.2)
    assert call.passed[2:] == []
    assert call.merger.takes(DigitEnded("1", "info", 0.1), 0.3)
