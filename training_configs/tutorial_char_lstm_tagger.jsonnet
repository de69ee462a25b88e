// The exercise of PyTorch's tutorial: the last state of an LSTM over characters is concatenated with the word embedding.
local data = std.join('/', std.split(std.thisFile, '/')[:-1] + ['data/']);  // the folder next to this file
{
  dataset_reader: {
    type: 'sequence_tagging',
    token_indexers: {
      tokens: { type: 'single_id' },
      token_characters: { type: 'characters', min_padding_length: 3 },
    },
  },
  train_data_path: data + 'tutorial.txt',
  model: {
    type: 'simple_tagger',
    text_field_embedder: {
      token_embedders: {
        tokens: { type: 'embedding', embedding_dim: 5 },
        token_characters: {
          type: 'character_encoding',
          embedding: { embedding_dim: 4, vocab_namespace: 'token_characters' },
          encoder: { type: 'lstm', input_size: 4, hidden_size: 3 },
        },
      },
    },
    encoder: { type: 'lstm', input_size: 8, hidden_size: 6 },
    initializer: { regexes: [['embedding\\.weight|token_embedder_tokens', { type: 'normal', std: 1 }]] },
  },
  // The tutorial's 300 passes over two sentences, reported 10 times.
  data_loader: { batch_size: 1, shuffle: false, batches_per_epoch: 60 },
  trainer: { num_epochs: 10, optimizer: { type: 'sgd', lr: 0.1 }, checkpointer: null },
}
