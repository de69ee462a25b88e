// Universal parts of speech on English-EWT from a pretrained transformer (extra `transformers`).
// TRANSFORMER is a name on the Hugging Face hub, such as roberta-base, or a local folder.
// UD_ENGLISH_EWT is the folder with train.conllu, dev.conllu and test.conllu.
local data = std.extVar('UD_ENGLISH_EWT');
local transformer = std.extVar('TRANSFORMER');
local width = 768;  // of its vectors: 768 for base models, 1024 for large ones
local layers = 12;  // of the transformer: 12 for base models, 24 for large ones
local rate = 3e-5;  // of the top layer; each lower layer has a slightly smaller rate
local decay = 0.9;
local part = { type: 'pretrained_transformer_mismatched', model_name: transformer, max_length: 512 };
{
  dataset_reader: { type: 'conllu', token_indexers: { tokens: part } },
  train_data_path: data + '/train.conllu',
  validation_data_path: data + '/dev.conllu',
  test_data_path: data + '/test.conllu',
  evaluate_on_test: true,
  model: {
    type: 'simple_tagger',
    text_field_embedder: { token_embedders: { tokens: part { overlap: 128 } } },
    encoder: { type: 'pass_through', input_dim: width },
  },
  data_loader: { batch_sampler: { type: 'bucket', batch_size: 32 } },
  trainer: {
    num_epochs: 3,
    validation_metric: '+accuracy',
    optimizer: {
      type: 'huggingface_adamw',
      lr: 1e-3,
      weight_decay: 0.01,
      parameter_groups: [
        [['text_field_embedder.*\\.layer\\.%d\\.' % number], { lr: rate * std.pow(decay, layers - 1 - number) }]
        for number in std.range(0, layers - 1)
      ] + [[['text_field_embedder(?!.*\\.layer\\.\\d)'], { lr: rate * std.pow(decay, layers) }]],
    },
    learning_rate_scheduler: { type: 'linear_with_warmup', warmup_steps: 100 },
    grad_norm: 1.0,
  },
}
