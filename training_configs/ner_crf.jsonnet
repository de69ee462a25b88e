// Named entities of CoNLL-2003 with a bidirectional LSTM over words and their characters, and a CRF.
// CONLL2003 is the folder with eng.train, eng.testa and eng.testb.
local data = std.extVar('CONLL2003');
local words = 100;
local filters = 64;
local widths = [2, 3, 4];
{
  dataset_reader: {
    type: 'conll2003',
    convert_to_coding_scheme: 'BIOUL',
    token_indexers: {
      tokens: { type: 'single_id', lowercase_tokens: true },
      token_characters: { type: 'characters', min_padding_length: 4 },
    },
  },
  train_data_path: data + '/eng.train',
  validation_data_path: data + '/eng.testa',
  test_data_path: data + '/eng.testb',
  datasets_for_vocab_creation: ['train'],
  evaluate_on_test: true,
  model: {
    type: 'crf_tagger',
    label_encoding: 'BIOUL',
    dropout: 0.5,
    text_field_embedder: {
      token_embedders: {
        tokens: { type: 'embedding', embedding_dim: words },
        token_characters: {
          type: 'character_encoding',
          embedding: { embedding_dim: 32, vocab_namespace: 'token_characters' },
          encoder: { type: 'cnn', embedding_dim: 32, num_filters: filters, ngram_filter_sizes: widths },
        },
      },
    },
    encoder: {
      type: 'lstm',
      input_size: words + filters * std.length(widths),
      hidden_size: 200,
      num_layers: 2,
      dropout: 0.5,
      bidirectional: true,
    },
  },
  data_loader: { batch_sampler: { type: 'bucket', batch_size: 32 } },
  trainer: {
    num_epochs: 40,
    patience: 8,
    validation_metric: '+f1-measure-overall',
    optimizer: { type: 'adam', lr: 0.001 },
    grad_norm: 5.0,
  },
}
