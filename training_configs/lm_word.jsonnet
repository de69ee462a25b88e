// A word language model in one direction on WikiText-2; lm_word_bidirectional.jsonnet is the one in both.
// WIKITEXT2 names the folder with test.txt, on which this trains, and valid.txt.
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
  // paragraphs differ much in length, so a batch is as many of them as make 2000 words
  data_loader: { batch_sampler: { type: 'max_tokens_sampler', max_tokens: 2000 } },
  // the same batches at every validation, and under `nlpreg evaluate`: the same figure to the last digit
  validation_data_loader: { batch_sampler: { type: 'bucket', batch_size: 10, shuffle: false } },
  trainer: {
    num_epochs: 4,
    optimizer: { type: 'adam', lr: 0.002 },
    grad_norm: 1.0,
  },
}
