// Every part with a comment is registered by the plugin.
// Run it in the folder above this one: nlpreg train configs/tagger.jsonnet -s out
{
  dataset_reader: {
    type: 'tab_separated',  // here
    token_indexers: {
      tokens: { type: 'single_id', lowercase_tokens: true },
      endings: { type: 'word_ending', length: 2 },  // here
    },
  },
  train_data_path: 'data/train.tsv',
  validation_data_path: 'data/validation.tsv',
  model: {
    type: 'endings_tagger',  // here
    text_field_embedder: {
      token_embedders: {
        tokens: { type: 'embedding', embedding_dim: 16 },
        endings: { type: 'embedding', embedding_dim: 8, vocab_namespace: 'word_endings' },
      },
    },
    encoder: { type: 'neighbours', input_dim: 16 + 8, output_dim: 24 },  // here
    label_smoothing: 0.05,
  },
  data_loader: { batch_size: 4, shuffle: true },
  trainer: { num_epochs: 20, validation_metric: '+accuracy', optimizer: { type: 'adam', lr: 0.02 } },
}
