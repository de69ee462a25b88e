// A word language model on running text: its state is carried from batch to batch, across the ends of paragraphs.
// WIKITEXT2 is the folder with test.txt, used for training, and valid.txt.
local data = std.extVar('WIKITEXT2');
local size = 200;
{
  dataset_reader: {
    type: 'simple_language_modeling',
    tokenizer: 'just_spaces',
    token_indexers: { tokens: { type: 'single_id' } },
    end_tokens: ['</S>'],  // end of a paragraph
  },
  train_data_path: data + '/test.txt',
  validation_data_path: data + '/valid.txt',
  vocabulary: { min_count: { tokens: 2 } },
  model: {
    type: 'language_model',
    text_field_embedder: { token_embedders: { tokens: { type: 'embedding', embedding_dim: size } } },
    contextualizer: { type: 'lstm', input_size: size, hidden_size: size, stateful: true },
    dropout: 0.3,
  },
  data_loader: {
    type: 'running_text',
    batch_size: 20,
    bptt: 35,
    targets: true,  // the next word of each word as a field, so that windows need not overlap
    shuffle: true,  // cut at different positions in every epoch
  },
  // the same batches in every validation and in `nlpreg evaluate`, so that the metrics are exactly equal
  validation_data_loader: { type: 'running_text', batch_size: 20, bptt: 35, targets: true },
  trainer: {
    num_epochs: 3,
    optimizer: { type: 'adam', lr: 0.002 },
    grad_norm: 1.0,
  },
}
