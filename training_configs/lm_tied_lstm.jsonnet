// A small word language model with tied embeddings, without the regularisation of `lm_tied_awd_lstm.jsonnet`.
// WIKITEXT2 is the folder with test.txt, used for training, and valid.txt.
local width = 128;
(import 'lm_running_text.jsonnet') + {
  vocabulary: { min_count: { tokens: 5 } },
  model: {
    type: 'causal_language_model',
    text_field_embedder: { token_embedders: { tokens: { type: 'embedding', embedding_dim: width } } },
    contextualizer: { type: 'lstm', input_size: width, hidden_size: width, num_layers: 2, stateful: true },
    softmax: 'tied_softmax',
    initializer: { regexes: [['.*token_embedder_tokens.weight', { type: 'uniform', a: -0.1, b: 0.1 }]] },
  },
  trainer: { num_epochs: 7, patience: 2, optimizer: { type: 'adam', lr: 0.004 }, grad_norm: 0.25 },
}
