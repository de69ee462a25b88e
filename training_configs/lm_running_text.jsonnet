// A word language model on running text: its state goes on from each batch to the next, past the ends of paragraphs.
// WIKITEXT2 names the folder with test.txt, on which this trains, and valid.txt.
local data = std.extVar('WIKITEXT2');
local size = 200;
{
  dataset_reader: {
    type: 'simple_language_modeling',
    tokenizer: 'just_spaces',
    token_indexers: { tokens: { type: 'single_id' } },
    end_tokens: ['</S>'],  // where a paragraph ends
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
    targets: true,  // the word after each, so that none is read twice
    shuffle: true,  // cut at other places in every epoch
  },
  // the same batches at every validation, and under `nlpreg evaluate`: the same figure to the last digit
  validation_data_loader: { type: 'running_text', batch_size: 20, bptt: 35, targets: true },
  trainer: {
    num_epochs: 3,
    optimizer: { type: 'adam', lr: 0.002 },
    grad_norm: 1.0,
  },
}
