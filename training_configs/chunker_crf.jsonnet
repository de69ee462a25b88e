// Chunks of CoNLL-2000, from words and how they are written, with parts of speech left out.
// CONLL2000 names the folder with train.txt and test.txt. The set has no development part: every tenth sentence of train.txt
// validates, the others train.
local data = std.extVar('CONLL2000');
local widths = [2, 3, 4];
local feature_dim = 16;
// one indexer and one embedder for each feature of how a word is written
local features = {
  [side + '_' + length]: { type: 'affix', side: side, length: length }
  for side in ['prefix', 'suffix']
  for length in [1, 2, 3, 4]
} + { shape: { type: 'shape' } };
local names = std.objectFields(features);
local reader = {
  type: 'conll2000',
  convert_to_coding_scheme: 'BIOUL',
  token_indexers: features {
    tokens: { type: 'single_id', lowercase_tokens: true },
    token_characters: { type: 'characters', min_padding_length: 4 },
  },
};
local part = { type: 'fold', base_reader: reader, path: data + '/train.txt', fold: 0, num_folds: 10 };
{
  dataset_reader: part,
  validation_dataset_reader: part { held_out: true },
  train_data_path: data + '/train.txt',
  validation_data_path: data + '/train.txt',
  test_data_path: data + '/test.txt',
  evaluate_on_test: true,
  datasets_for_vocab_creation: ['train'],
  vocabulary: { min_count: { [name]: 3 for name in names } },
  model: {
    type: 'crf_tagger',
    label_encoding: 'BIOUL',
    dropout: 0.4,
    text_field_embedder: {
      token_embedders: {
        tokens: { type: 'unknown_dropout_embedding', embedding_dim: 100 },
        token_characters: {
          type: 'character_encoding',
          embedding: { embedding_dim: 32, vocab_namespace: 'token_characters' },
          encoder: { type: 'cnn', embedding_dim: 32, num_filters: 64, ngram_filter_sizes: widths },
        },
      } + { [name]: { embedding_dim: feature_dim, vocab_namespace: name } for name in names },
    },
    encoder: {
      type: 'lstm',
      input_size: 100 + 64 * std.length(widths) + feature_dim * std.length(names),
      hidden_size: 200,
      num_layers: 2,
      dropout: 0.4,
      bidirectional: true,
    },
    initializer: { regexes: [['text_field_embedder.token_embedder_(?!token_characters).*weight', { type: 'normal', std: 0.3 }]] },
  },
  data_loader: { batch_sampler: { type: 'bucket', batch_size: 32 } },
  trainer: {
    num_epochs: 10,
    patience: 4,
    validation_metric: '+f1-measure-overall',
    optimizer: { type: 'adam', lr: 0.002, betas: [0.9, 0.99] },
    learning_rate_scheduler: { type: 'linear_with_warmup', warmup_steps: 100 },
    moving_average: { type: 'exponential', decay: 0.998 },
    grad_norm: 5.0,
  },
}
