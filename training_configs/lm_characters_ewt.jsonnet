// A bidirectional character language model on the words of English-EWT, for pos_tagger_ewt_character_lm.jsonnet.
// UD_ENGLISH_EWT is the folder with train.conllu and dev.conllu.
local data = std.extVar('UD_ENGLISH_EWT');
local width = 32;
local states = 128;
{
  dataset_reader: {
    type: 'conllu_language_modeling',
    characters: true,
    // before the first word and after the last
    start_tokens: ['\n'],
    end_tokens: ['\n'],
  },
  train_data_path: data + '/train.conllu',
  validation_data_path: data + '/dev.conllu',
  datasets_for_vocab_creation: ['train'],
  vocabulary: { min_count: { tokens: 3 } },
  model: {
    type: 'language_model',
    bidirectional: true,
    text_field_embedder: { token_embedders: { tokens: { type: 'embedding', embedding_dim: width } } },
    contextualizer: { type: 'lstm', input_size: width, hidden_size: states, bidirectional: true },
    dropout: 0.1,
  },
  data_loader: { batch_sampler: { type: 'bucket', batch_size: 32 } },
  validation_data_loader: { batch_sampler: { type: 'bucket', batch_size: 64, shuffle: false } },
  trainer: {
    num_epochs: 3,
    optimizer: { type: 'adam', lr: 4e-3 },
    learning_rate_scheduler: { type: 'linear_with_warmup', warmup_steps: 100 },
    grad_norm: 1.0,
    cuda_device: -1,
  },
}
