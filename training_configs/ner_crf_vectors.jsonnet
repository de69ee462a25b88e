// ner_crf.jsonnet with pretrained word vectors. VECTORS is a file of 100-dimensional vectors, such as glove.6B.100d.txt.
(import 'ner_crf.jsonnet') + {
  model+: {
    text_field_embedder+: {
      token_embedders+: {
        tokens+: { pretrained_file: std.extVar('VECTORS') },
      },
    },
  },
}
