"""Viterbi decoding of the scores of a `crf_tagger`, an ensemble of these or an `hmm_tagger`; needs only numpy."""

import numpy

_IMPOSSIBLE = -100.0  # replaces log 0, as in the model


def decode(
    logits: numpy.ndarray,
    mask: numpy.ndarray,
    transitions: numpy.ndarray,
    start: numpy.ndarray,
    end: numpy.ndarray,
) -> list[list[int]]:
    """The best sequence of tags of each sentence (Viterbi).

    Args:
        logits: score of each tag for each word (B, T, C).
        mask: true at words (B, T).
        transitions: score of each tag (columns) after each other (rows) (C, C); very low where it is not allowed.
        start: score of each tag at the first word (C,).
        end: score of each tag at the last word (C,).

    Returns:
        For each sentence the ids of its tags, one for each word.
    """
    sentences = zip(logits, mask, strict=True)
    return [_best(scores[words.astype(bool)], transitions, start, end) for scores, words in sentences]


def decode_ensemble(
    member_logits: numpy.ndarray,
    mask: numpy.ndarray,
    transitions: numpy.ndarray,
    start: numpy.ndarray,
    end: numpy.ndarray,
    allowed: numpy.ndarray,
    allowed_first: numpy.ndarray,
    allowed_last: numpy.ndarray,
) -> list[list[int]]:
    """The allowed sequence of tags with the greatest product of the members' averaged marginals, of each sentence.

    Args:
        member_logits: score of each tag for each word by each member (M, B, T, C).
        mask: true at words (B, T).
        transitions: for each member as in `decode` (M, C, C).
        start: likewise (M, C).
        end: likewise (M, C).
        allowed: 0 where a tag (columns) may follow another (rows), very low elsewhere (C, C).
        allowed_first: 0 for tags of a first word, very low for others (C,).
        allowed_last: 0 for tags of a last word, very low for others (C,).

    Returns:
        For each sentence the ids of its tags, one for each word.
    """
    found = []
    for row, words in enumerate(mask.astype(bool)):
        members = zip(member_logits[:, row], transitions, start, end, strict=True)
        averages = numpy.mean([_marginals(logits[words], *scores) for logits, *scores in members], axis=0)
        with numpy.errstate(divide="ignore"):
            logarithms = numpy.maximum(numpy.log(averages), _IMPOSSIBLE)
        found.append(_best(logarithms, allowed, allowed_first, allowed_last))
    return found


def _marginals(
    scores: numpy.ndarray, transitions: numpy.ndarray, start: numpy.ndarray, end: numpy.ndarray
) -> numpy.ndarray:
    """The marginal probability of each tag of each word of a sentence (T, C), by the forward-backward algorithm."""
    forward = scores.astype(numpy.float64)
    backward = numpy.zeros_like(forward)
    forward[:1] += start
    backward[-1:] = end
    for word in range(1, len(scores)):
        forward[word] += numpy.logaddexp.reduce(forward[word - 1][:, None] + transitions, axis=0)
    for word in range(len(scores) - 2, -1, -1):
        backward[word] = numpy.logaddexp.reduce(transitions + scores[word + 1] + backward[word + 1], axis=1)
    paths = forward + backward
    marginals: numpy.ndarray = numpy.exp(paths - numpy.logaddexp.reduce(paths, axis=1)[:, None])
    return marginals


def _best(
    scores: numpy.ndarray, transitions: numpy.ndarray, start: numpy.ndarray, end: numpy.ndarray
) -> list[int]:
    """The best sequence for the words of one sentence (T, C)."""
    if not len(scores):
        return []
    best = start + scores[0]  # (C,)
    came_from = []
    for word in scores[1:]:
        paths = best[:, None] + transitions  # (C before, C)
        came_from.append(paths.argmax(axis=0))
        best = paths.max(axis=0) + word
    path = [int((best + end).argmax())]
    for back in reversed(came_from):
        path.append(int(back[path[-1]]))
    return path[::-1]
