"""The loop over time, with a step whose history can be read off."""

import pytest
import torch

from nlpreg.modules.recurrence import run_recurrence

# Three rows of 3, 2 and 1 words; each word is a digit.
INPUTS = [torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[4.0], [5.0]]), torch.tensor([[6.0]])]


def append_digit(x, state):
    digits = 10 * state[0] + x
    return digits, state[1] + 1


@pytest.mark.parametrize(
    ("go_forward", "outputs", "final"),
    [
        (True, [[1, 2, 3], [14, 25], [146]], [146, 25, 3]),
        (False, [[641, 52, 3], [64, 5], [6]], [641, 52, 3]),
    ],
)
def test_each_row_runs_over_its_own_words(go_forward, outputs, final):
    zeros = torch.zeros(3, 1)
    found, (digits, counts) = run_recurrence(append_digit, INPUTS, (zeros, zeros), go_forward)
    assert [step.flatten().tolist() for step in found] == outputs
    assert digits.flatten().tolist() == final
    assert counts.flatten().tolist() == [3, 2, 1]


@pytest.mark.parametrize(("go_forward", "final"), [(True, [7146, 825, 93]), (False, [7641, 852, 93])])
def test_rows_start_from_their_own_states(go_forward, final):
    initial = (torch.tensor([[7.0], [8.0], [9.0]]), torch.zeros(3, 1))
    _, (digits, _) = run_recurrence(append_digit, INPUTS, initial, go_forward)
    assert digits.flatten().tolist() == final


def test_rows_without_words_keep_their_states_when_going_backward():
    initial = (torch.tensor([[7.0], [8.0]]), torch.zeros(2, 1))
    _, (digits, _) = run_recurrence(append_digit, [torch.tensor([[1.0]])], initial, go_forward=False)
    assert digits.flatten().tolist() == [71, 8]
