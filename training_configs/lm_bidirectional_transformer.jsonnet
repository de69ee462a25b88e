// A bidirectional language model over the characters of words, whose layers can be embeddings for other models
// (language_model_token_embedder). WIKITEXT2 is the folder with test.txt, used for training, and valid.txt.
local data = std.extVar('WIKITEXT2');
local width = 128;
{
  dataset_reader: {
    type: 'simple_language_modeling',
    tokenizer: 'just_spaces',
    token_indexers: { tokens: { type: 'single_id' }, token_characters: { type: 'elmo_characters' } },
    max_sequence_length: 400,
    start_tokens: ['<S>'],
    end_tokens: ['</S>'],
  },
  train_data_path: data + '/test.txt',
  validation_data_path: data + '/valid.txt',
  vocabulary: { min_count: { tokens: 2 } },
  model: {
    type: 'language_model',
    bidirectional: true,
    num_samples: 512,
    dropout: 0.1,
    text_field_embedder: {
      token_embedders: {
        tokens: { type: 'empty' },  // the words are only targets
        token_characters: {
          type: 'character_encoding',
          embedding: { num_embeddings: 262, embedding_dim: 16 },
          encoder: {
            type: 'cnn-highway',
            embedding_dim: 16,
            filters: [[1, 32], [2, 32], [3, 64], [4, 128]],
            num_highway: 2,
            projection_dim: width,
            activation: 'relu',
            projection_location: 'after_highway',
            do_layer_norm: true,
          },
        },
      },
    },
    contextualizer: {
      type: 'bidirectional_language_model_transformer',
      input_dim: width,
      hidden_dim: 4 * width,
      num_layers: 2,
      dropout: 0.1,
      input_dropout: 0.1,
    },
  },
  data_loader: { batch_sampler: { type: 'max_tokens_sampler', max_tokens: 2000 } },
  validation_data_loader: { batch_sampler: { type: 'bucket', batch_size: 10, shuffle: false } },
  trainer: {
    num_epochs: 10,
    optimizer: 'dense_sparse_adam',
    learning_rate_scheduler: { type: 'noam', model_size: width, warmup_steps: 400 },
    grad_norm: 5.0,
  },
}
