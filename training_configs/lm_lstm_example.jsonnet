// The LSTM of PyTorch's word language model example with its default settings.
// WIKITEXT2 is the folder with test.txt, used for training, and valid.txt.
local data = std.extVar('WIKITEXT2');
local width = 200;
local dropout = 0.2;
local loader = { type: 'running_text', batch_size: 20, bptt: 35, targets: true };
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
    initializer: {
      regexes: [
        ['.*token_embedder_tokens.weight|.*softmax_w', { type: 'uniform', a: -0.1, b: 0.1 }],
      ],
    },
  },
  data_loader: loader,
  validation_data_loader: loader,
  trainer: {
    num_epochs: 40,
    optimizer: { type: 'sgd', lr: 20.0 },
    // divide the learning rate by 4 after each epoch without a new best validation
    learning_rate_scheduler: { type: 'reduce_on_plateau', factor: 0.25, patience: 0 },
    grad_norm: 0.25,
  },
}
