import pytest

from sipparty.errors import MediaError, UsageError
from sipparty.media.dtmf.events import DigitReceived
from sipparty.media.dtmf.gathering import Digits, Gathering

from .call import Prompt


def gather(call, clear=False, **options):
    return Gathering(call.digits, None, **options).begin(clear)


class Prompts:
    """Plays prompts, and keeps them."""

    def __init__(self, fails_at=None):
        self.played = []
        self.fails_at = fails_at

    def __call__(self):
        if len(self.played) == self.fails_at:
            raise MediaError("No such file.")
        self.played.append(Prompt())
        return self.played[-1]

    @property
    def states(self):
        return [one.state for one in self.played]


def result(gathering):
    digits = gathering.wait(0)
    return str(digits), digits.reason, digits.end


def test_digits_are_gathered_up_to_the_end_key(call):
    gathering = gather(call, max=4)
    call.press("12")
    assert (gathering.digits, gathering.reason, gathering.state) == ("12", None, "gathering")
    call.press("#3")
    assert result(gathering) == ("12", "end", "#")
    assert gathering.state == gathering.reason == "end"
    assert repr(gathering) == "<Gathering '12': end>"
    assert list(call.digits.collector.kept) == ["3"]


def test_what_is_given_is_text(call):
    gathering = gather(call, max=2)
    call.press("12")
    digits = gathering.wait()
    assert isinstance(digits, Digits)
    assert digits == "12"
    assert int(digits) == 12


async def test_it_can_be_awaited(call):
    gathering = gather(call, max=1)
    call.press("1")
    assert await gathering == "1"


def test_times_run_on_the_timers_of_the_engine(call):
    gathering = gather(call, timeout=2.0, first_timeout=6.0)
    call.wait(5.9)
    assert gathering.reason is None
    call.press("1")
    call.wait(1.9)
    call.press("2")
    call.wait(1.9)
    assert gathering.reason is None
    call.wait(0.1)
    assert result(gathering) == ("12", "timeout", "")
    assert len(call.core.timers) == 0


@pytest.mark.parametrize("start", [0.1, 1 / 3, 12345.678])
def test_a_timer_that_is_due_is_due(call, start):
    call.wait(start)
    gathering = gather(call, first_timeout=0.7)
    call.wait(0.7000001)
    assert gathering.reason == "timeout"


def test_nothing_pressed_gives_nothing(call):
    gathering = gather(call, timeout=3.0)
    call.wait(3.0)
    assert result(gathering) == ("", "timeout", "")


def test_the_end_of_the_call_ends_it(call):
    gathering = gather(call)
    call.press("12")
    call.hang_up()
    assert result(gathering) == ("12", "hangup", "")
    assert len(call.core.timers) == 0
    assert call._watchers is None


def test_in_a_call_that_is_over_it_ends_at_once(call):
    call.press("12")
    call.hang_up()
    assert result(gather(call)) == ("12", "hangup", "")
    assert call._watchers is None


def test_nothing_is_left_when_it_has_ended(call):
    gather(call, max=1)
    call.press("1")
    assert len(call.core.timers) == 0
    assert call._watchers is None
    assert call.digits.on_change is None


def test_it_may_be_cancelled(call):
    gathering = gather(call)
    call.press("1")
    gathering.cancel()
    gathering.cancel()
    assert result(gathering) == ("1", "cancelled", "")
    call.press("2")
    assert list(call.digits.collector.kept) == ["2"]


def test_another_one_takes_its_place(call):
    first = gather(call)
    call.press("1")
    second = gather(call, max=1)
    assert result(first) == ("1", "replaced", "")
    call.press("2")
    assert result(second) == ("2", "max", "")
    first.cancel()
    assert first.reason == "replaced"


def test_what_was_pressed_before_comes_first_or_is_cleared(call):
    call.press("12")
    assert result(gather(call, max=2)) == ("12", "max", "")
    call.press("34")
    gathering = gather(call, clear=True, max=2)
    assert gathering.digits == ""
    call.press("56")
    assert result(gathering) == ("56", "max", "")


def test_handlers_have_the_digits_too(call):
    gather(call)
    call.press("1")
    assert [type(one).__name__ for one in call.events] == ["DigitReceived", "DigitEnded"]
    call.agent.observed = False
    call.press("2")
    assert len(call.events) == 2


def test_one_press_in_two_ways_is_one(call):
    gathering = gather(call)
    call.press("1", "rtp")
    call.press("1", "info")
    assert gathering.digits == "1"
    assert len(call.events) == 2


# With a prompt.


def test_a_prompt_stops_at_the_first_digit(call):
    prompts = Prompts()
    gathering = gather(call, play=prompts, max=2)
    assert prompts.states == ["playing"]
    call.wait(60)
    assert gathering.reason is None
    call.digits.hear(DigitReceived("1", "rtp"))
    assert prompts.states == ["stopped"]
    call.press("2")
    assert result(gathering) == ("12", "max", "")


def test_the_time_begins_at_the_end_of_the_prompt(call):
    prompts = Prompts()
    gathering = gather(call, play=prompts, first_timeout=3.0)
    call.wait(60)
    prompts.played[0].end()
    call.wait(2.9)
    assert gathering.reason is None
    call.wait(0.1)
    assert gathering.reason == "timeout"
    assert prompts.states == ["ended"]


def test_the_time_does_not_begin_anew_with_the_prompt_that_a_digit_stopped(call):
    prompts = Prompts()
    gathering = gather(call, play=prompts, timeout=2.0, first_timeout=50.0)
    call.press("1")
    call.wait(2.0)
    assert result(gathering) == ("1", "timeout", "")


def test_a_prompt_is_left_out_where_a_digit_waits(call):
    call.press("1")
    prompts = Prompts()
    gathering = gather(call, play=prompts, max=2, timeout=2.0)
    assert prompts.played == []
    call.wait(2.0)
    assert result(gathering) == ("1", "timeout", "")


def test_the_end_key_alone_stops_the_prompt(call):
    prompts = Prompts()
    gathering = gather(call, play=prompts)
    call.press("#")
    assert prompts.states == ["stopped"]
    assert result(gathering) == ("", "end", "#")


def test_a_prompt_that_is_not_to_be_interrupted_goes_on(call):
    call.press("1")
    prompts = Prompts()
    gathering = gather(call, play=prompts, barge_in=False, max=2)
    call.press("2")
    assert prompts.states == ["playing"]
    prompts.played[0].end()
    assert gathering.digits == ""
    call.press("34")
    assert result(gathering) == ("34", "max", "")


def test_hanging_up_and_cancelling_stop_the_prompt(call):
    prompts = Prompts()
    first = gather(call, play=prompts, retries=3)
    first.cancel()
    second = gather(call, play=prompts)
    call.hang_up()
    assert prompts.states == ["stopped", "stopped"]
    assert (first.reason, second.reason) == ("cancelled", "hangup")


def test_another_one_stops_the_prompt(call):
    prompts = Prompts()
    first = gather(call, play=prompts, retries=3)
    gather(call)
    assert (prompts.states, first.reason) == (["stopped"], "replaced")


def test_a_prompt_that_cannot_be_played_is_an_error(call):
    with pytest.raises(MediaError, match="No such file"):
        gather(call, play=Prompts(fails_at=0))
    assert call.digits.collector.current is None
    assert call._watchers is None


# Asked again.


def test_it_is_asked_again_where_nothing_is_pressed(call):
    prompts = Prompts()
    gathering = gather(call, play=prompts, timeout=2.0, retries=2)
    for tries in (1, 2, 3):
        assert gathering.tries == tries == len(prompts.played)
        assert gathering.reason is None
        prompts.played[-1].end()
        call.wait(2.0)
    assert result(gathering) == ("", "timeout", "")


def test_it_is_not_asked_again_where_something_is(call):
    prompts = Prompts()
    gathering = gather(call, play=prompts, timeout=2.0, retries=2)
    call.press("1")
    call.wait(2.0)
    assert result(gathering) == ("1", "timeout", "")
    assert len(prompts.played) == 1


def test_the_answer_to_the_second_time_counts(call):
    prompts = Prompts()
    gathering = gather(call, play=prompts, max=1, timeout=2.0, retries=1)
    prompts.played[0].end()
    call.wait(2.0)
    call.press("7")
    assert result(gathering) == ("7", "max", "")
    assert prompts.states == ["ended", "stopped"]


def test_it_is_asked_again_where_the_answer_is_none_of_the_choices(call):
    prompts = Prompts()
    gathering = gather(call, play=prompts, max=1, retries=2, choices=("1", "2"))
    call.press("9")
    assert (gathering.reason, len(prompts.played)) == (None, 2)
    call.press("2")
    assert result(gathering) == ("2", "max", "")


@pytest.mark.parametrize(
    ("pressed", "wanted"), [("9", ("9", "invalid", "")), ("#", ("", "invalid", "#"))]
)
def test_none_of_the_choices_is_invalid(call, pressed, wanted):
    gathering = gather(call, max=1, choices=("1", "2"), retries=1)
    call.press(pressed * 2)
    assert result(gathering) == wanted


def test_no_choice_at_all_is_a_timeout(call):
    gathering = gather(call, max=1, choices=("1", "2"), timeout=2.0)
    call.wait(2.0)
    assert result(gathering) == ("", "timeout", "")


def test_hanging_up_is_no_invalid_choice(call):
    gathering = gather(call, choices=("1",), retries=2)
    call.press("9")
    call.hang_up()
    assert result(gathering) == ("9", "hangup", "")


def test_a_prompt_that_cannot_be_played_again_is_left_out(call):
    gathering = gather(call, play=Prompts(fails_at=1), max=1, timeout=2.0, retries=1)
    gathering._prompt.end()
    call.wait(2.0)
    call.wait(1.9)
    assert gathering.reason is None
    call.press("1")
    assert result(gathering) == ("1", "max", "")


@pytest.mark.parametrize("retries", [-1, 101, 1.5])
def test_retries_are_a_number(call, retries):
    with pytest.raises(UsageError, match="is no number from 0 to 100"):
        gather(call, retries=retries)
