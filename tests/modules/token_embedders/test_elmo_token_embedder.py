"""ELMo as a token embedder."""

import torch

from nlpreg.common import Params
from nlpreg.modules.elmo import batch_to_ids
from nlpreg.modules.token_embedders import TokenEmbedder


def build(elmo_files, **options):
    config = {
        "type": "elmo_token_embedder",
        "options_file": elmo_files.options,
        "weight_file": elmo_files.weights,
    }
    return TokenEmbedder.from_params(Params({**config, **options})).eval()


def test_one_mix_and_a_projection(elmo_files):
    ids = batch_to_ids([["the", "cat"], ["naïve"]])
    plain, projected = build(elmo_files), build(elmo_files, projection_dim=5)
    vectors = plain(ids)
    assert vectors.shape == (2, 2, 12) == (2, 2, plain.get_output_dim())
    projected._elmo.load_state_dict(plain._elmo.state_dict())
    torch.testing.assert_close(projected(ids), projected._projection(vectors))
    assert projected.get_output_dim() == 5
    assert {key.split(".")[0] for key in projected.state_dict()} == {"_elmo", "_projection"}


def test_cached_words(elmo_files):
    ids = batch_to_ids([["cat"]])
    embedder = build(elmo_files, vocab_to_cache=["@@PADDING@@", "@@UNKNOWN@@", "cat"])
    torch.testing.assert_close(embedder(ids, torch.tensor([[2]])), build(elmo_files)(ids))
