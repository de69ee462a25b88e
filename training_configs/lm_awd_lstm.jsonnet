// An AWD LSTM (Merity et al. 2018, https://arxiv.org/abs/1708.02182) on running text, trained by NT-ASGD.
// WIKITEXT2 names the folder with test.txt, on which this trains, and valid.txt.
local data = std.extVar('WIKITEXT2');
local width = 400;
local loader = { type: 'running_text', batch_size: 20, bptt: 70, targets: true };
{
  dataset_reader: {
    type: 'simple_language_modeling',
    tokenizer: 'just_spaces',
    token_indexers: { tokens: { type: 'single_id' } },
    end_tokens: ['</S>'],  // end of a paragraph
  },
  train_data_path: data + '/test.txt',
  validation_data_path: data + '/valid.txt',
  vocabulary: { min_count: { tokens: 2 } },
  model: {
    type: 'causal_language_model',
    text_field_embedder: {
      token_embedders: { tokens: { type: 'dropout_embedding', embedding_dim: width, word_dropout: 0.1 } },
    },
    contextualizer: {
      type: 'awd_lstm',
      input_size: width,
      hidden_size: 1150,
      num_layers: 3,
      output_size: width,  // so that the softmax can share the word vectors
      input_dropout: 0.65,
      hidden_dropout: 0.2,
      output_dropout: 0.4,
      weight_dropout: 0.5,
      activation_penalty_weight: 2.0,
      temporal_penalty_weight: 1.0,
      stateful: true,
    },
    softmax: 'tied_softmax',
  },
  data_loader: loader { variable_bptt: true, shuffle: true },
  validation_data_loader: loader,
  trainer: {
    num_epochs: 750,
    patience: 20,
    optimizer: { type: 'sgd', lr: 30.0, weight_decay: 1.2e-6 },
    // Weights are averaged once the validation stops improving; the learning rate is constant.
    moving_average: { type: 'non_monotonic', patience: 5 },
    grad_norm: 0.25,
  },
}
