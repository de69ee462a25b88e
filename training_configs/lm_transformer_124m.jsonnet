// A transformer of 124 million parameters, the size of the smallest GPT-2, over the subwords of a text of any size.
// TEXT is a folder with train.txt and valid.txt, one document per line; TOKENIZER is a tokenizer.json written by
// `nlpreg train-tokenizer`, or another one of the tokenizers package.
local data = std.extVar('TEXT');
local width = 768;
local block = 1024;
local loader = { type: 'running_text', batch_size: 12, bptt: block, targets: true };
local document_end = '<|endoftext|>';
{
  dataset_reader: {
    type: 'simple_language_modeling',
    tokenizer: { type: 'subword', model_path: std.extVar('TOKENIZER') },
    end_tokens: [document_end],
  },
  train_data_path: data + '/train.txt',
  validation_data_path: data + '/valid.txt',
  model: {
    type: 'causal_language_model',
    text_field_embedder: { token_embedders: { tokens: { type: 'embedding', embedding_dim: width } } },
    contextualizer: {
      type: 'transformer_lm',
      input_dim: width,
      num_layers: 12,
      num_attention_heads: 12,
      max_length: block,
    },
    softmax: 'tied_softmax',
    document_end: document_end,  // words do not attend to other documents in their row
    initializer: { regexes: [['.*token_embedder_tokens.weight', { type: 'normal', mean: 0, std: 0.02 }]] },
  },
  data_loader: loader { shuffle: true },
  validation_data_loader: loader,
  trainer: {
    max_steps: 100000,
    validate_every_num_batches: 2000,
    num_gradient_accumulation_steps: 40,  // about half a million words per update
    optimizer: {
      type: 'adamw',
      lr: 6e-4,
      betas: [0.9, 0.95],
      weight_decay: 0.1,
      parameter_groups: [[['norm', 'bias', 'embedd'], { weight_decay: 0.0 }]],
    },
    learning_rate_scheduler: { type: 'warmup_cosine', warmup_steps: 2000, min_factor: 0.1 },
    grad_norm: 1.0,
    use_amp: true,
    amp_dtype: 'bfloat16',
    compile: true,
    cuda_device: null,  // the first GPU
  },
}
