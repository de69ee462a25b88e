// The language model of lm_word.jsonnet, but bidirectional.
(import 'lm_word.jsonnet') + {
  model+: {
    bidirectional: true,
    contextualizer+: { bidirectional: true },
  },
}
