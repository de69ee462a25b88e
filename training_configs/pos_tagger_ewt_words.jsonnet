// Universal parts of speech on English-EWT from words only, for comparison with pos_tagger_ewt_character_lm.jsonnet.
// UD_ENGLISH_EWT is the folder with train.conllu, dev.conllu and test.conllu.
local data = std.extVar('UD_ENGLISH_EWT');
local words = 64;
{
  dataset_reader: {
    type: 'conllu',
    token_indexers: { tokens: { type: 'single_id', lowercase_tokens: true } },
  },
  train_data_path: data + '/train.conllu',
  validation_data_path: data + '/dev.conllu',
  test_data_path: data + '/test.conllu',
  datasets_for_vocab_creation: ['train'],
  evaluate_on_test: true,
  vocabulary: { min_count: { tokens: 2 } },
  model: {
    type: 'simple_tagger',
    text_field_embedder: {
      token_embedders: { tokens: { type: 'dropout_embedding', embedding_dim: words, word_dropout: 0.1, dropout: 0.3 } },
    },
    encoder: { type: 'lstm', input_size: words, hidden_size: 64, bidirectional: true },
  },
  data_loader: { batch_sampler: { type: 'bucket', batch_size: 32 } },
  trainer: {
    num_epochs: 4,
    validation_metric: '+accuracy',
    optimizer: { type: 'adam', lr: 4e-3 },
    learning_rate_scheduler: { type: 'linear_with_warmup', warmup_steps: 100 },
    grad_norm: 5.0,
    cuda_device: -1,
  },
}
