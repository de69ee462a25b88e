// A small language model on the sentences of the treebank in data/.
// Run it by its name: nlpreg train quickstart_lm -s out_lm/
local data = std.join('/', std.split(std.thisFile, '/')[:-1] + ['data/']);  // the folder next to this file
{
  dataset_reader: {
    type: 'conllu_language_modeling',
    token_indexers: { tokens: { type: 'single_id', lowercase_tokens: true } },
    start_tokens: ['<S>'],
    end_tokens: ['</S>'],
  },
  train_data_path: data + 'train.conllu',
  validation_data_path: data + 'dev.conllu',
  vocabulary: { min_count: { tokens: 2 } },
  model: {
    type: 'language_model',
    text_field_embedder: { token_embedders: { tokens: { type: 'embedding', embedding_dim: 64 } } },
    contextualizer: { type: 'lstm', input_size: 64, hidden_size: 64 },
    dropout: 0.3,
  },
  data_loader: { batch_sampler: { type: 'bucket', batch_size: 16 } },
  // the same batches in every validation and in `nlpreg evaluate`, so that the metrics are exactly equal
  validation_data_loader: { batch_sampler: { type: 'bucket', batch_size: 16, shuffle: false } },
  trainer: {
    num_epochs: 12,
    patience: 3,
    optimizer: { type: 'adam', lr: 0.004 },
    grad_norm: 5.0,
  },
}
