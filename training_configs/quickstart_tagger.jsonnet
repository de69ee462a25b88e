// Tags English words with their Universal parts of speech; trains on the treebank in data/ within a minute.
// Run it by its name: nlpreg train quickstart_tagger -s out/
local data = std.join('/', std.split(std.thisFile, '/')[:-1] + ['data/']);  // the folder next to this file
{
  dataset_reader: {
    type: 'conllu',
    token_indexers: {
      tokens: { type: 'single_id', lowercase_tokens: true },
      token_characters: { type: 'characters', min_padding_length: 3 },
    },
  },
  train_data_path: data + 'train.conllu',
  validation_data_path: data + 'dev.conllu',
  vocabulary: { min_count: { tokens: 2 } },  // words that occur once train the vector of unknown words
  model: {
    type: 'simple_tagger',
    text_field_embedder: {
      token_embedders: {
        tokens: { type: 'embedding', embedding_dim: 50 },
        token_characters: {
          type: 'character_encoding',
          embedding: { embedding_dim: 16, vocab_namespace: 'token_characters' },
          encoder: { type: 'cnn', embedding_dim: 16, num_filters: 25, ngram_filter_sizes: [2, 3] },
          dropout: 0.3,
        },
      },
    },
    encoder: { type: 'lstm', input_size: 50 + 2 * 25, hidden_size: 64, bidirectional: true },
  },
  data_loader: { batch_sampler: { type: 'bucket', batch_size: 16 } },
  trainer: {
    num_epochs: 15,
    patience: 5,
    validation_metric: '+accuracy',
    optimizer: { type: 'adam', lr: 0.004 },
    grad_norm: 5.0,
  },
}
