"""Check that a language model does not see the words that it predicts."""

import logging
from typing import Any

import torch
from torch import nn

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.models.model import Model
from nlpreg.training.state import fresh_states

logger = logging.getLogger(__name__)

_NUM_WORDS = 6
# Differences below this fraction of the largest output are rounding errors.
_TOLERANCE = 1e-5


class PeekingCheckedModel(Model):
    """A language model that tests its contextualizer for peeking before it is trained.

    Args:
        vocab: the vocabulary.
        check_peeking: whether `nlpreg check` and the start of training test that the contextualizer's output at a word does
            not depend on the words that are predicted from it.
        **kwargs: those of `Model`.
    """

    def __init__(self, vocab: Vocabulary, check_peeking: bool = True, **kwargs: Any) -> None:
        super().__init__(vocab, **kwargs)
        self._check_peeking = check_peeking

    def contextualizer_to_check(self) -> tuple[nn.Module, int]:
        """The contextualizer and the width of its inputs; for subclasses to write."""
        raise NotImplementedError(f"{type(self).__name__} does not implement contextualizer_to_check")

    def check_before_training(self) -> None:
        """Test the contextualizer.

        Raises:
            ConfigurationError: it peeks.
        """
        super().check_before_training()
        if self._check_peeking:
            problem = find_peeking(*self.contextualizer_to_check())
            if problem is not None:
                raise ConfigurationError(f"model.contextualizer: {problem}")


def find_peeking(encoder: nn.Module, input_dim: int) -> str | None:
    """Test empirically whether an encoder sees the words that a language model predicts from its outputs.

    Words of a random text are replaced. No output of the forward direction (all outputs, unless the encoder has both
    directions) may change before the first exchanged word, and none of the backward direction after the last one.

    Args:
        encoder: called with inputs (B, T, input_dim) and a mask (B, T).
        input_dim: width of its inputs.

    Returns:
        A description of the problem with advice; None if there is none, or if the encoder cannot be called this way.
    """
    was_training = encoder.training
    encoder.eval()
    try:
        with torch.no_grad(), fresh_states(encoder), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return _find_peeking(encoder, input_dim)
    except ConfigurationError:
        raise
    except Exception as error:  # an encoder with other inputs is not tested
        logger.info("the contextualizer cannot be tested for peeking: %s", error)
        return None
    finally:
        encoder.train(was_training)


def _find_peeking(encoder: nn.Module, input_dim: int) -> str | None:
    parameter = next(encoder.parameters(), torch.zeros(()))
    if parameter.dtype not in (
        torch.float32,
        torch.float64,
    ):  # too coarse to distinguish peeking from rounding
        return None
    limit = getattr(encoder, "max_length", None) or _NUM_WORDS
    num_words = min(_NUM_WORDS, limit)
    cuts = torch.arange(num_words - 1)
    places = torch.arange(num_words)
    is_exchanged = torch.cat(
        [
            torch.zeros(1, num_words, dtype=torch.bool),  # the text itself
            places > cuts.unsqueeze(1),  # all words after a cut
            places <= cuts.unsqueeze(1),  # all words before it
        ]
    ).unsqueeze(-1)  # (rows, T, 1)
    text, others = torch.randn(2, num_words, input_dim)
    inputs = torch.where(is_exchanged, others, text).to(parameter)  # (rows, T, input_dim)
    mask = torch.ones(inputs.shape[:2], dtype=torch.bool, device=inputs.device)
    is_bidirectional = bool(getattr(encoder, "is_bidirectional", bool)())
    outputs = encoder(inputs, mask)
    for output in outputs if isinstance(outputs, list) else [outputs]:
        halves = output.chunk(2, dim=-1) if is_bidirectional else (output, output[..., :0])
        for cut in cuts.tolist():
            before, after = slice(0, cut + 1), slice(cut + 1, None)
            behind_exchanged, before_exchanged = 1 + cut, num_words + cut
            if _differ(halves[0][0, before], halves[0][behind_exchanged, before]):
                return _message("its output at a word depends on later words", is_bidirectional)
            if _differ(halves[1][0, after], halves[1][before_exchanged, after]):
                return _message(
                    "the half of its output for the backward direction depends on earlier words",
                    is_bidirectional,
                )
    return None


def _differ(one: torch.Tensor, other: torch.Tensor) -> bool:
    if one.numel() == 0:
        return False
    return bool((one - other).abs().max() > _TOLERANCE * one.abs().max().clamp(min=1e-3))


def _message(what: str, is_bidirectional: bool) -> str:
    advice = (
        "in both directions, take a recurrent encoder of one layer, gated-cnn-encoder or "
        "bidirectional_language_model_transformer"
        if is_bidirectional
        else "take an encoder that reads from left to right: a recurrent one, transformer_lm, or pytorch_transformer with "
        '"causal": true'
    )
    return (
        f"{what}, which the model has to predict, so it would learn to copy them; {advice} "
        '(if this is what you want: "check_peeking": false beside the contextualizer)'
    )
