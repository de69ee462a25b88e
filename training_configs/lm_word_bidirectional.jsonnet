// The language model of lm_word.jsonnet in both directions.
(import 'lm_word.jsonnet') + {
  model+: {
    bidirectional: true,
    contextualizer+: { bidirectional: true },
  },
}
