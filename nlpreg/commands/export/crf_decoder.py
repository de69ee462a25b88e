"""Viterbi decoding of the scores of a `crf_tagger` or an `hmm_tagger`; needs only numpy."""

import numpy


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
