// A character transformer that is small enough for a CPU: nanoGPT's recipe for the works of Shakespeare, with twice its
// learning rate.
// SHAKESPEARE is a folder with train.txt and valid.txt, the first 90 % and the last 10 % of the text:
//   head -c 1003854 input.txt > train.txt; tail -c +1003855 input.txt > valid.txt
local data = std.extVar('SHAKESPEARE');
local width = 128;
local block = 64;
{
  dataset_reader: { type: 'plain_text_language_modeling', tokenizer: 'character' },
  train_data_path: data + '/train.txt',
  validation_data_path: data + '/valid.txt',
  model: {
    type: 'causal_language_model',
    text_field_embedder: {
      token_embedders: { tokens: { type: 'embedding', embedding_dim: width } },
    },
    contextualizer: {
      type: 'transformer_lm',
      input_dim: width,
      num_layers: 4,
      num_attention_heads: 4,
      activation: 'gelu',
      normalization: 'layer_norm',
      positions: 'learned',
      max_length: block,
    },
    softmax: 'tied_softmax',
    initializer: { regexes: [['.*token_embedder_tokens.weight', { type: 'normal', mean: 0, std: 0.02 }]] },
  },
  data_loader: { type: 'text_blocks', batch_size: 12, block_size: block },
  validation_data_loader: { type: 'running_text', batch_size: 64, bptt: block, targets: true },
  trainer: {
    max_steps: 2000,
    optimizer: {
      type: 'adamw',
      lr: 2e-3,
      betas: [0.9, 0.99],
      weight_decay: 0.1,
      // no weight decay for norms, biases and embeddings, which are shared with the softmax
      parameter_groups: [[['norm', 'bias', 'embedd'], { weight_decay: 0.0 }]],
    },
    learning_rate_scheduler: { type: 'warmup_cosine', warmup_steps: 100, min_factor: 0.1 },
    grad_norm: 1.0,
    cuda_device: -1,
  },
}
