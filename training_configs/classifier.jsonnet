// A text classifier: word embeddings and a CNN.
// TEXTS is the folder with train.jsonl and dev.jsonl, with lines such as {"text": "I like it", "label": "positive"}.
local data = std.extVar('TEXTS');
{
  dataset_reader: {
    type: 'text_classification_json',
    tokenizer: 'letters_digits',
    token_indexers: { tokens: { type: 'single_id', lowercase_tokens: true } },
    max_sequence_length: 400,
  },
  train_data_path: data + '/train.jsonl',
  validation_data_path: data + '/dev.jsonl',
  datasets_for_vocab_creation: ['train'],
  vocabulary: { min_count: { tokens: 2 } },
  model: {
    type: 'basic_classifier',
    dropout: 0.5,
    text_field_embedder: { token_embedders: { tokens: { type: 'embedding', embedding_dim: 100 } } },
    seq2vec_encoder: { type: 'cnn', embedding_dim: 100, num_filters: 100, ngram_filter_sizes: [2, 3, 4] },
  },
  data_loader: { batch_sampler: { type: 'bucket', batch_size: 32 } },
  trainer: {
    num_epochs: 10,
    patience: 3,
    validation_metric: '+accuracy',
    optimizer: { type: 'adam', lr: 0.001 },
    grad_norm: 5.0,
  },
}
