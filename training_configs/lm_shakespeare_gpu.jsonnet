// The transformer of lm_shakespeare_cpu.jsonnet at the size of nanoGPT's recipe for a GPU.
// SHAKESPEARE is the folder with train.txt and valid.txt.
local width = 384;
local block = 256;
(import 'lm_shakespeare_cpu.jsonnet') + {
  model+: {
    text_field_embedder: {
      token_embedders: { tokens: { type: 'embedding', embedding_dim: width } },
    },
    contextualizer+: {
      input_dim: width,
      num_layers: 6,
      num_attention_heads: 6,
      max_length: block,
      dropout: 0.2,
    },
  },
  data_loader+: { batch_size: 64, block_size: block },
  validation_data_loader+: { bptt: block },
  trainer+: {
    max_steps: 5000,
    optimizer+: { lr: 1e-3 },
    validate_every_num_batches: 250,
    use_amp: true,
    amp_dtype: 'bfloat16',
    compile: true,
    cuda_device: null,  // the first GPU
  },
}
