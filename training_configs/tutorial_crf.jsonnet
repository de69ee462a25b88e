// The tagger of the tutorial with a conditional random field, which predicts the tags of a sentence jointly.
local data = std.join('/', std.split(std.thisFile, '/')[:-1] + ['data/']);  // the folder next to this file
{
  dataset_reader: { type: 'sequence_tagging' },
  train_data_path: data + 'tutorial.txt',
  model: {
    type: 'crf_tagger',
    text_field_embedder: { token_embedders: { tokens: { type: 'embedding', embedding_dim: 6 } } },
    encoder: { type: 'lstm', input_size: 6, hidden_size: 6, bidirectional: true },
    initializer: { regexes: [['token_embedder', { type: 'normal', std: 1 }]] },
  },
  // 120 passes over the two sentences, reported 4 times.
  data_loader: { batch_size: 1, shuffle: false, batches_per_epoch: 60 },
  trainer: { num_epochs: 4, optimizer: { type: 'sgd', lr: 0.1 }, checkpointer: null },
}
