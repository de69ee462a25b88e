// The LSTM tagger of PyTorch's tutorial on sequence models: two sentences, an embedding and a state of width 6.
local data = std.join('/', std.split(std.thisFile, '/')[:-1] + ['data/']);  // the folder next to this file
{
  dataset_reader: { type: 'sequence_tagging' },
  train_data_path: data + 'tutorial.txt',
  model: {
    type: 'simple_tagger',
    text_field_embedder: { token_embedders: { tokens: { type: 'embedding', embedding_dim: 6 } } },
    encoder: { type: 'lstm', input_size: 6, hidden_size: 6 },
    // the default of torch.nn.Embedding; with smaller values 300 epochs are not enough
    initializer: { regexes: [['token_embedder', { type: 'normal', std: 1 }]] },
  },
  // The tutorial's 300 passes over two sentences, reported 10 times.
  data_loader: { batch_size: 1, shuffle: false, batches_per_epoch: 60 },
  trainer: { num_epochs: 10, optimizer: { type: 'sgd', lr: 0.1 }, checkpointer: null },
}
