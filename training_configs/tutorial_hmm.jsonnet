// A hidden Markov model of the tutorial's two sentences: its probabilities are relative frequencies.
{
  dataset_reader: { type: 'sequence_tagging' },
  train_data_path: 'training_configs/data/tutorial.txt',
  model: { type: 'tnt_tagger' },
  data_loader: { batch_size: 1 },
  trainer: { type: 'counting' },
}
