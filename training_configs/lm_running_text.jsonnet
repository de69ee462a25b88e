// A character language model on running text: its state goes on from each batch to the next.
// TINY_SHAKESPEARE names a text file; any will do.
local size = 256;
{
  dataset_reader: {
    type: 'simple_language_modeling',
    tokenizer: 'character',
    token_indexers: { tokens: 'single_id' },
    end_tokens: ['</S>'],  // where a line ends
  },
  train_data_path: std.extVar('TINY_SHAKESPEARE'),
  model: {
    type: 'language_model',
    text_field_embedder: { token_embedders: { tokens: { type: 'embedding', embedding_dim: 64 } } },
    contextualizer: { type: 'lstm', input_size: 64, hidden_size: size, stateful: true },
    dropout: 0.2,
  },
  data_loader: {
    type: 'running_text',
    batch_size: 32,
    bptt: 70,
    targets: true,  // the character after each, so that none is read twice
    shuffle: true,
  },
  trainer: {
    num_epochs: 8,
    optimizer: { type: 'adam', lr: 0.004 },
    learning_rate_scheduler: { type: 'linear_with_warmup', warmup_steps: 50 },
    grad_norm: 1.0,
  },
}
