"""The forward algorithm of a linear chain: the log-sum-exp of the scores of all prefixes that end in each tag.

Letters in shapes: B sentences, T words, K tags. Time comes first, so that a step is one block of memory.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nlpreg.nn.operators import define_operator

# Ratios of probabilities within a step up to exp(600) are exact in double precision, whose range is about exp(700).
_MAX_SPREAD = 600.0


def forward_scores(logits: Tensor, mask: Tensor, transitions: Tensor, start: Tensor) -> Tensor:
    """The forward scores: for each word and tag, the log-sum-exp of the scores of all prefixes that end there.

    The first word is always used; a masked later word repeats the scores of the word before it.

    On the CPU the recursion multiplies scaled probabilities, so that a step is one matrix product. This cannot underflow if the
    scores of a step differ by less than 600, which is checked first. Otherwise, and on other devices, where the check would
    require a synchronization, the recursion runs in log space.

    Args:
        logits: score of each tag for each word.
        mask: true at words that count.
        transitions: score of a tag (column) after a tag (row).
        start: score of each tag as the first.

    Shape:
        logits (T, B, K), mask (T, B), transitions (K, K), start (K,) -> (T, B, K).
    """
    counts = mask.clone()
    counts[0] = True
    logits = logits.masked_fill(~counts.unsqueeze(2), 0.0)
    run = _run_as_operator if torch.compiler.is_compiling() else _run
    return run(logits, counts, transitions, start)[0]


def _run(logits: Tensor, counts: Tensor, transitions: Tensor, start: Tensor) -> list[Tensor]:
    if logits.device.type == "cpu" and _is_close(logits, transitions, start):
        scores: Tensor = _ScaledForward.apply(logits, counts, transitions, start)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return [scores]
    return [_logarithmic_forward(logits, counts, transitions, start)]


_run_as_operator = define_operator(
    "nlpreg::crf_forward_scores",
    "Tensor logits, Tensor counts, Tensor transitions, Tensor start",
    _run,
    lambda logits, *_: [logits.new_empty(logits.shape)],
)


def _is_close(logits: Tensor, transitions: Tensor, start: Tensor) -> bool:
    with torch.no_grad():
        spread = (logits.amax(2) - logits.amin(2)).max() + (transitions.max() - transitions.min())
        return bool(spread + (start.max() - start.min()) < _MAX_SPREAD)


def _logarithmic_forward(logits: Tensor, counts: Tensor, transitions: Tensor, start: Tensor) -> Tensor:
    scores: Tensor = _LogarithmicForward.apply(logits, counts, transitions, start)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return scores


class _LogarithmicForward(torch.autograd.Function):
    """The recursion in log space, which cannot underflow.

    Plain autograd would save a table of all pairs of tags (B, K, K) for each word. This function saves only the scores, so that
    memory grows with T * K instead of T * K * K, and recomputes each table in the backward pass.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, counts: Tensor, transitions: Tensor, start: Tensor) -> Tensor:
        scores = start + logits[0]  # (B, K)
        history = [scores]
        for logit, counted in zip(logits[1:], counts[1:].unsqueeze(2), strict=True):
            longer = torch.logsumexp(scores.unsqueeze(2) + transitions, dim=1) + logit
            scores = torch.where(counted, longer, scores)
            history.append(scores)
        stacked = torch.stack(history)  # (T, B, K)
        ctx.save_for_backward(stacked, logits, counts, transitions)
        ctx.dtypes = (logits.dtype, transitions.dtype, start.dtype)
        return stacked

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_scores: Tensor) -> tuple[Tensor | None, ...]:
        scores, logits, counts, transitions = ctx.saved_tensors
        by_logits = torch.zeros_like(scores)
        by_transitions = torch.zeros_like(transitions, dtype=scores.dtype)
        grad = grad_scores[-1]  # gradient with respect to the scores at a word, through all later words
        for t in range(len(scores) - 1, 0, -1):
            counted = counts[t].unsqueeze(1)  # (B, 1)
            reached = grad.masked_fill(~counted, 0.0)
            # Tags that no transition reaches have no contributions.
            rest = (logits[t] - scores[t]).nan_to_num(posinf=0.0)
            # contribution of each previous tag to the score of a tag: (B, K from, K to)
            pairs = scores[t - 1].unsqueeze(2) + transitions + rest.unsqueeze(1)
            shares = pairs.exp_().masked_fill_(~counted.unsqueeze(2), 0.0) * reached.unsqueeze(1)
            by_logits[t] = reached
            by_transitions += shares.sum(0)
            grad = grad_scores[t - 1] + torch.where(counted, shares.sum(2), grad)
        by_logits[0] = grad
        of_logits, of_transitions, of_start = ctx.dtypes
        return by_logits.to(of_logits), None, by_transitions.to(of_transitions), grad.sum(0).to(of_start)


class _ScaledForward(torch.autograd.Function):
    """The recursion on probabilities that are normalized at each word, with its exact gradient.

    With p the normalised prefix sums at a word and M the exponentiated transitions, the sums at the next word are `(p @ M) *
    exp(logits)` up to scale. In the backward pass, a gradient d with respect to the scores at that word is propagated to the
    word before as `p * ((d / (p @ M)) @ M.T)`.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, counts: Tensor, transitions: Tensor, start: Tensor) -> Tensor:
        num_steps, batch_size, num_tags = logits.shape
        exact = logits.double()
        top_logits = exact.amax(dim=2, keepdim=True)  # (T, B, 1)
        emissions = (exact - top_logits).exp_()
        top_transition = transitions.max().double()
        matrix = (transitions.double() - top_transition).exp_()

        probs = torch.empty(num_steps, batch_size, num_tags, dtype=torch.float64)
        sums = torch.ones(num_steps, batch_size, num_tags, dtype=torch.float64)  # p @ M of the previous word
        scales = torch.ones(num_steps, batch_size, 1, dtype=torch.float64)
        first = start.double() + exact[0]
        torch.softmax(first, dim=1, out=probs[0])
        everywhere = bool(counts.all())
        for t in range(1, num_steps):
            torch.mm(probs[t - 1], matrix, out=sums[t])
            torch.mul(sums[t], emissions[t], out=probs[t])
            torch.sum(probs[t], dim=1, keepdim=True, out=scales[t])
            probs[t].div_(scales[t])
            if not everywhere:
                torch.where(counts[t].unsqueeze(1), probs[t], probs[t - 1], out=probs[t])
        ctx.save_for_backward(probs, sums, matrix, counts)
        ctx.dtype = logits.dtype

        # The log-sum-exp increases by the log of the scale of each step.
        growth = scales.log() + top_logits + top_transition
        growth[0] = torch.logsumexp(first, dim=1, keepdim=True)
        totals = growth.masked_fill_(~counts.unsqueeze(2), 0.0).cumsum(dim=0)
        scores = sums.log() + exact + top_transition
        scores[1:] += totals[:-1]
        scores[0] = first
        if not everywhere:
            steps = torch.arange(num_steps).unsqueeze(1) * counts  # (T, B)
            last_counted = steps.cummax(dim=0).values
            scores = scores.gather(0, last_counted.unsqueeze(2).expand_as(scores))
        return scores.to(logits.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_scores: Tensor) -> tuple[Tensor | None, ...]:
        probs, sums, matrix, counts = ctx.saved_tensors
        grads = grad_scores.double()
        num_tags = probs.size(2)
        counted = counts.unsqueeze(2)
        everywhere = bool(counts.all())
        shares = torch.zeros_like(probs)
        by_logits = torch.empty_like(probs)
        transposed = matrix.t().contiguous()
        grad = grads[-1]
        for t in range(len(probs) - 1, 0, -1):
            by_logits[t] = grad
            torch.div(grad, sums[t], out=shares[t])
            if everywhere:
                grad = torch.addcmul(grads[t - 1], probs[t - 1], shares[t] @ transposed)
            else:
                passed = torch.where(counted[t], probs[t - 1] * (shares[t] @ transposed), grad)
                grad = grads[t - 1] + passed
        by_logits[0] = grad
        if not everywhere:
            by_logits.masked_fill_(~counted, 0.0)
            shares.masked_fill_(~counted, 0.0)
        pairs = probs[:-1].view(-1, num_tags).t() @ shares[1:].view(-1, num_tags)
        by_transitions = matrix * pairs
        return by_logits.to(ctx.dtype), None, by_transitions.to(ctx.dtype), grad.sum(0).to(ctx.dtype)
