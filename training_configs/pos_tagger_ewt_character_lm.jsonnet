// Universal parts of speech on English-EWT from words and contextual embeddings of a character language model.
// UD_ENGLISH_EWT is the folder with train.conllu, dev.conllu and test.conllu; CHARACTER_LM is the archive of
// lm_characters_ewt.jsonnet. pos_tagger_ewt_words.jsonnet is the same tagger without the language model.
local tagger = import 'pos_tagger_ewt_words.jsonnet';
local states = 2 * 128;
tagger {
  dataset_reader+: { token_indexers+: { language_model: { type: 'code_points' } } },
  model+: {
    text_field_embedder+: {
      token_embedders+: {
        language_model: {
          type: 'character_language_model',
          archive_files: [std.extVar('CHARACTER_LM')],
          cache_size: 20000,  // all sentences
        },
      },
    },
    encoder+: { input_size: tagger.model.encoder.input_size + states },
  },
}
