// A trigram tagger for English-EWT, trained by counting in seconds.
// UD_ENGLISH_EWT is the folder with train.conllu, dev.conllu and test.conllu.
local data = std.extVar('UD_ENGLISH_EWT');
{
  dataset_reader: { type: 'conllu' },
  train_data_path: data + '/train.conllu',
  validation_data_path: data + '/dev.conllu',
  test_data_path: data + '/test.conllu',
  datasets_for_vocab_creation: ['train'],
  evaluate_on_test: true,
  model: { type: 'tnt_tagger' },
  data_loader: { batch_size: 256 },
  trainer: { type: 'counting' },
}
