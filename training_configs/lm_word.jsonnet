// A left-to-right word language model on WikiText-2; lm_word_bidirectional.jsonnet is bidirectional.
// WIKITEXT2 is the folder with test.txt, used for training, and valid.txt.
local data = std.extVar('WIKITEXT2');
local size = 200;
{
  dataset_reader: {
    type: 'simple_language_modeling',
    tokenizer: 'just_spaces',
    token_indexers: { tokens: { type: 'single_id' } },
    start_tokens: ['<S>'],
    end_tokens: ['</S>'],
  },
  train_data_path: data + '/test.txt',
  validation_data_path: data + '/valid.txt',
  vocabulary: { min_count: { tokens: 2 } },
  model: {
    type: 'language_model',
    text_field_embedder: { token_embedders: { tokens: { type: 'embedding', embedding_dim: size } } },
    contextualizer: { type: 'lstm', input_size: size, hidden_size: size },
    dropout: 0.3,
  },
  // paragraphs differ widely in length, so a batch has as many of them as fit into 2000 words
  data_loader: { batch_sampler: { type: 'max_tokens_sampler', max_tokens: 2000 } },
  // the same batches in every validation and in `nlpreg evaluate`, so that the metrics are exactly equal
  validation_data_loader: { batch_sampler: { type: 'bucket', batch_size: 10, shuffle: false } },
  trainer: {
    num_epochs: 4,
    optimizer: { type: 'adam', lr: 0.002 },
    grad_norm: 1.0,
  },
}
