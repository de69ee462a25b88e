// `lm_tied_lstm.jsonnet` with the dropout and the penalties of Merity et al. (2018), for a text as short as the test set of
// WikiText-2; `lm_awd_lstm.jsonnet` is their own recipe.
local width = 128;
(import 'lm_tied_lstm.jsonnet') + {
  model+: {
    text_field_embedder: {
      token_embedders: { tokens: { type: 'dropout_embedding', embedding_dim: width, word_dropout: 0.05 } },
    },
    contextualizer: {
      type: 'awd_lstm',
      input_size: width,
      hidden_size: width,
      output_size: width,
      num_layers: 2,
      input_dropout: 0.3,
      hidden_dropout: 0.2,
      output_dropout: 0.3,
      weight_dropout: 0.3,
      activation_penalty_weight: 2.0,
      temporal_penalty_weight: 1.0,
      stateful: true,
    },
  },
}
