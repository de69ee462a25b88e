// The medium LSTM of Zaremba et al. (2014), https://arxiv.org/abs/1409.2329, with dropout between layers but not between
// steps.
// WIKITEXT2 is the folder with test.txt, used for training, and valid.txt.
local data = std.extVar('WIKITEXT2');
local width = 650;  // 1500 in the large model
local dropout = 0.5;  // 0.65 in the large model
local range = 0.05;  // 0.04 in the large model
local bptt = 35;
local loader = { type: 'running_text', batch_size: 20, bptt: bptt, targets: true };
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
    type: 'language_model',
    text_field_embedder: {
      token_embedders: {
        tokens: { type: 'dropout_embedding', embedding_dim: width, word_dropout: 0.0, dropout: dropout },
      },
    },
    contextualizer: {
      type: 'lstm',
      input_size: width,
      hidden_size: width,
      num_layers: 2,
      dropout: dropout,
      stateful: true,
    },
    dropout: dropout,
    initializer: { regexes: [['.*', { type: 'uniform', a: -range, b: range }]] },
  },
  data_loader: loader,
  validation_data_loader: loader,
  trainer: {
    num_epochs: 39,  // 55 in the large model
    // The paper's learning rate 1 and gradient clipping 5 are for the sum of the losses of the steps; here it is their mean.
    optimizer: { type: 'sgd', lr: 1.0 * bptt },
    grad_norm: 5.0 / bptt,
    learning_rate_scheduler: {
      type: 'combined',
      // 14 epochs, a factor of 1.15 and a limit of 10 in the large model
      schedulers: [[6, { type: 'constant' }], [33, { type: 'exponential', gamma: 1 / 1.2 }]],
    },
  },
}
