// A hidden Markov model of the tutorial's two sentences, with relative frequencies as probabilities.
local data = std.join('/', std.split(std.thisFile, '/')[:-1] + ['data/']);  // the folder next to this file
{
  dataset_reader: { type: 'sequence_tagging' },
  train_data_path: data + 'tutorial.txt',
  model: { type: 'tnt_tagger' },
  data_loader: { batch_size: 1 },
  trainer: { type: 'counting' },
}
