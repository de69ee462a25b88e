// Universal parts of speech on English-EWT, from words and their forms only. Further heads predict XPOS and morphological
// features, which improves the shared encoder.
// UD_ENGLISH_EWT is the folder with train.conllu, dev.conllu and test.conllu. With other random seeds:
//   nlpreg train training_configs/pos_tagger_ewt.jsonnet -s out/ -o random_seed=1 -o numpy_seed=1 -o pytorch_seed=1
local data = std.extVar('UD_ENGLISH_EWT');
local word_dim = 100;
local character_filters = 64;
local filter_widths = [2, 3, 4];
local feature_dim = 24;
// one indexer and one embedder for each feature of the form of a word
local features = {
  [side + '_' + length]: { type: 'affix', side: side, length: length }
  for side in ['prefix', 'suffix']
  for length in [1, 2, 3, 4]
} + { shape: { type: 'shape' } };
local names = std.objectFields(features);
{
  dataset_reader: {
    type: 'conllu',
    further_columns: ['xpos', 'feats'],
    token_indexers: features {
      tokens: { type: 'single_id', lowercase_tokens: true },
      token_characters: { type: 'characters', min_padding_length: std.foldl(std.max, filter_widths, 0) },
    },
  },
  train_data_path: data + '/train.conllu',
  validation_data_path: data + '/dev.conllu',
  test_data_path: data + '/test.conllu',
  datasets_for_vocab_creation: ['train'],
  evaluate_on_test: true,
  vocabulary: { min_count: { token_characters: 2 } + { [name]: 3 for name in names } },
  model: {
    type: 'multi_tagger',
    dropout: 0.5,
    heads: {
      tags: {},
      xpos_tags: { loss_weight: 0.5 },
      feats: { type: 'features', loss_weight: 0.125 },
    },
    text_field_embedder: {
      token_embedders: {
        tokens: { type: 'unknown_dropout_embedding', embedding_dim: word_dim },
        token_characters: {
          type: 'character_encoding',
          embedding: { embedding_dim: 32, vocab_namespace: 'token_characters' },
          encoder: { type: 'cnn', embedding_dim: 32, num_filters: character_filters, ngram_filter_sizes: filter_widths },
        },
      } + { [name]: { embedding_dim: feature_dim, vocab_namespace: name } for name in names },
    },
    encoder: {
      type: 'lstm',
      input_size: word_dim + character_filters * std.length(filter_widths) + feature_dim * std.length(names),
      hidden_size: 300,
      num_layers: 2,
      dropout: 0.4,
      bidirectional: true,
    },
    initializer: { regexes: [['text_field_embedder.token_embedder_(?!token_characters).*weight', { type: 'normal', std: 0.3 }]] },
  },
  data_loader: { batch_sampler: { type: 'bucket', batch_size: 32 } },
  trainer: {
    num_epochs: 16,
    validation_metric: '+tags_accuracy',
    optimizer: { type: 'adam', lr: 0.002, betas: [0.9, 0.99] },
    learning_rate_scheduler: { type: 'linear_with_warmup', warmup_steps: 200 },
    moving_average: { type: 'exponential', decay: 0.998 },
    grad_norm: 5.0,
  },
}
