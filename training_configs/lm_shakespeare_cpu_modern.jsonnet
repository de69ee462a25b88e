// The transformer of lm_shakespeare_cpu.jsonnet with modern components and learning rates: no more parameters, the same
// batches and the same number of updates.
// SHAKESPEARE is the folder with train.txt and valid.txt.
local width = 128;
(import 'lm_shakespeare_cpu.jsonnet') + {
  model+: {
    contextualizer: {
      type: 'transformer_lm',
      input_dim: width,
      num_layers: 4,
      num_attention_heads: 4,
      activation: 'swiglu',
      normalization: 'rms_norm',
      positions: 'rotary',
      max_length: 64,
    },
  },
  trainer+: {
    optimizer+: { lr: 4e-3 },
    learning_rate_scheduler+: { min_factor: 0.01 },
  },
}
