// Universal parts of speech on English-EWT, from words and their characters alone.
// UD_ENGLISH_EWT names the folder with train.conllu, dev.conllu and test.conllu.
local data = std.extVar('UD_ENGLISH_EWT');
local words = 100;
local character_filters = 64;
local widths = [2, 3, 4];
{
  dataset_reader: {
    type: 'conllu',
    token_indexers: {
      tokens: { type: 'single_id', lowercase_tokens: true },
      token_characters: { type: 'characters', min_padding_length: std.foldl(std.max, widths, 0) },
    },
  },
  train_data_path: data + '/train.conllu',
  validation_data_path: data + '/dev.conllu',
  test_data_path: data + '/test.conllu',
  datasets_for_vocab_creation: ['train'],
  evaluate_on_test: true,
  vocabulary: { min_count: { tokens: 2 } },
  model: {
    type: 'crf_tagger',
    dropout: 0.4,
    text_field_embedder: {
      token_embedders: {
        tokens: { type: 'embedding', embedding_dim: words },
        token_characters: {
          type: 'character_encoding',
          embedding: { embedding_dim: 32, vocab_namespace: 'token_characters' },
          encoder: { type: 'cnn', embedding_dim: 32, num_filters: character_filters, ngram_filter_sizes: widths },
        },
      },
    },
    encoder: {
      type: 'lstm',
      input_size: words + character_filters * std.length(widths),
      hidden_size: 200,
      num_layers: 2,
      dropout: 0.4,
      bidirectional: true,
    },
  },
  data_loader: { batch_sampler: { type: 'bucket', batch_size: 32 } },
  trainer: {
    num_epochs: 12,
    patience: 3,
    validation_metric: '+accuracy',
    optimizer: { type: 'adam', lr: 0.002 },
    learning_rate_scheduler: { type: 'linear_with_warmup', warmup_steps: 100 },
    grad_norm: 5.0,
  },
}
