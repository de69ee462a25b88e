"""The models, readers and predictors for language models, tagging and classification, as moved-over code uses them."""

from collections.abc import Callable

SURFACE = """
nlpreg.modules.language_model_heads
    LanguageModelHead
    LinearLanguageModelHead(vocab, input_dim, vocab_namespace)
    BertLanguageModelHead(model_name)
    Gpt2LanguageModelHead(model_name)
nlpreg.modules.language_model_heads.language_model_head
    LanguageModelHead
    LanguageModelHead.get_input_dim()
    LanguageModelHead.get_output_dim()
nlpreg.modules.language_model_heads.linear
    LinearLanguageModelHead
nlpreg.modules.language_model_heads.bert
    BertLanguageModelHead
nlpreg.modules.language_model_heads.gpt2
    Gpt2LanguageModelHead
nlpreg.models
    Model archive_model load_archive Archive BasicClassifier SimpleTagger MultiTaskModel LanguageModel
        BidirectionalLanguageModel NextTokenLM MaskedLanguageModel CrfTagger
        BiattentiveClassificationNetwork
nlpreg.models.model
    Model(vocab, regularizer=None, serialization_dir=None, ddp_accelerator=None)
    Model.make_output_human_readable(output_dict)
    Model.get_metrics(reset=False)
    Model.forward_on_instance(instance)
    Model.forward_on_instances(instances)
    Model.get_regularization_penalty()
    Model.default_predictor
nlpreg.models.language_model
    LanguageModel(vocab, text_field_embedder, contextualizer, dropout=None, num_samples=None,
        sparse_embeddings=False, bidirectional=False, initializer=None, regularizer=None, **kwargs)
    LanguageModel.forward(source)
    LanguageModel.delete_softmax()
    LanguageModel.num_layers()
    LanguageModel.get_metrics(reset=False)
    _SoftmaxLoss
nlpreg.models.bidirectional_lm
    BidirectionalLanguageModel(vocab, text_field_embedder, contextualizer, dropout=None, num_samples=None,
        sparse_embeddings=False, initializer=None, regularizer=None, **kwargs)
nlpreg.models.next_token_lm
    NextTokenLM(vocab, text_field_embedder, language_model_head, contextualizer=None,
        target_namespace="bert", dropout=0.0, initializer=None, n_best=5, beam_search_generator=None, **kwargs)
    NextTokenLM.forward(tokens, target_ids=None)
nlpreg.models.masked_language_model
    MaskedLanguageModel(vocab, text_field_embedder, language_model_head, contextualizer=None,
        target_namespace="bert", dropout=0.0, initializer=None, **kwargs)
    MaskedLanguageModel.forward(tokens, mask_positions, target_ids=None)
nlpreg.models.simple_tagger
    SimpleTagger(vocab, text_field_embedder, encoder, calculate_span_f1=None, label_encoding=None,
        label_namespace="labels", verbose_metrics=False, initializer=..., **kwargs)
    SimpleTagger.forward(tokens, tags=None, metadata=None, ignore_loss_on_o_tags=False)
nlpreg.models.crf_tagger
    CrfTagger(vocab, text_field_embedder, encoder, label_namespace="labels", feedforward=None,
        label_encoding=None, include_start_end_transitions=True, constrain_crf_decoding=None,
        calculate_span_f1=None, dropout=None, verbose_metrics=False, initializer=..., top_k=1,
        ignore_loss_on_o_tags=False, label_weights=None, weight_strategy=None, **kwargs)
    CrfTagger.forward(tokens, tags=None, metadata=None, ignore_loss_on_o_tags=None, **kwargs)
nlpreg.models.basic_classifier
    BasicClassifier(vocab, text_field_embedder, seq2vec_encoder, seq2seq_encoder=None, feedforward=None,
        dropout=None, num_labels=None, label_namespace="labels", namespace="tokens", initializer=..., **kwargs)
    BasicClassifier.forward(tokens, label=None, metadata=None)
nlpreg.models.heads
    Head
    ClassifierHead(vocab, seq2vec_encoder, feedforward=None, input_dim=None, dropout=None, num_labels=None,
        label_namespace="labels")
    ClassifierHead.forward(encoded_text, encoded_text_mask, label=None)
nlpreg.models.heads.head
    Head
nlpreg.models.heads.classifier_head
    ClassifierHead
nlpreg.models.multitask
    MultiTaskModel(vocab, backbone, heads, *, loss_weights=None, arg_name_mapping=None,
        allowed_arguments=None, initializer=...)
nlpreg.models.biattentive_classification_network
    BiattentiveClassificationNetwork(vocab, text_field_embedder, embedding_dropout, pre_encode_feedforward,
        encoder, integrator, integrator_dropout, output_layer, elmo=None, use_input_elmo=False,
        use_integrator_output_elmo=False, initializer=..., **kwargs)
    BiattentiveClassificationNetwork.forward(tokens, label=None)
nlpreg.models.transformer_classification_tt
    TransformerClassificationTT(vocab, transformer_model="roberta-large", num_labels=None,
        label_namespace="labels", override_weights_file=None, **kwargs)
    TransformerClassificationTT.forward(text, label=None)
nlpreg.data.dataset_readers.simple_language_modeling
    SimpleLanguageModelingDatasetReader(tokenizer=None, token_indexers=None, max_sequence_length=None,
        start_tokens=None, end_tokens=None, **kwargs)
    SimpleLanguageModelingDatasetReader.text_to_instance(sentence)
nlpreg.data.dataset_readers.next_token_lm
    NextTokenLMReader(tokenizer=None, token_indexers=None, max_tokens=None, **kwargs)
    NextTokenLMReader.text_to_instance(sentence=None, tokens=None, target=None)
nlpreg.data.dataset_readers.masked_language_model
    MaskedLanguageModelingReader(tokenizer=None, token_indexers=None, **kwargs)
    MaskedLanguageModelingReader.text_to_instance(sentence=None, tokens=None, targets=None)
nlpreg.predictors.masked_language_model
    MaskedLanguageModelPredictor
    MaskedLanguageModelPredictor.predict(sentence_with_masks)
nlpreg.predictors.next_token_lm
    NextTokenLMPredictor
    NextTokenLMPredictor.predict(sentence)
nlpreg.predictors.sentence_tagger
    SentenceTaggerPredictor(model, dataset_reader, language="en_core_web_sm")
    SentenceTaggerPredictor.predict(sentence)
nlpreg.predictors.text_classifier
    TextClassifierPredictor
    TextClassifierPredictor.predict(sentence)
nlpreg.data.dataset_readers.conll2003
    Conll2003DatasetReader(token_indexers=None, tag_label="ner", feature_labels=(),
        convert_to_coding_scheme=None, label_namespace="labels", **kwargs)
    Conll2003DatasetReader.text_to_instance(tokens, pos_tags=None, chunk_tags=None, ner_tags=None)
nlpreg.data.dataset_readers.conll2000
    Conll2000DatasetReader(token_indexers=None, tag_label="chunk", feature_labels=(),
        convert_to_coding_scheme=None, label_namespace="labels", coding_scheme=None,
        unknown_tag=None, skip_bad_lines=False, max_instances=None,
        serialization_dir=None)
    Conll2000DatasetReader.text_to_instance(tokens, pos_tags=None, chunk_tags=None)
nlpreg.data.dataset_readers.ontonotes_ner
    OntonotesNamedEntityRecognition(token_indexers=None, domain_identifier=None, coding_scheme="BIO",
        **kwargs)
    OntonotesNamedEntityRecognition.text_to_instance(tokens, ner_tags=None)
nlpreg.data.dataset_readers.ccgbank
    CcgBankDatasetReader(token_indexers=None, tag_label="ccg", feature_labels=(), label_namespace="labels",
        **kwargs)
    CcgBankDatasetReader.text_to_instance(tokens, ccg_categories=None, original_pos_tags=None,
        modified_pos_tags=None, predicate_arg_categories=None)
nlpreg.data.dataset_readers.sequence_tagging
    SequenceTaggingDatasetReader(word_tag_delimiter="###", token_delimiter=None, token_indexers=None,
        **kwargs)
nlpreg.data.dataset_readers.dataset_utils.ontonotes
    Ontonotes Ontonotes.dataset_path_iterator Ontonotes.dataset_document_iterator
        Ontonotes.sentence_iterator Ontonotes.dataset_iterator
    OntonotesSentence(document_id, sentence_id, words, pos_tags, parse_tree, predicate_lemmas,
        predicate_framenet_ids, word_senses, speakers, named_entities, srl_frames, coref_spans)
nlpreg.data.dataset_readers.stanford_sentiment_tree_bank
    StanfordSentimentTreeBankDatasetReader(token_indexers=None, tokenizer=None, use_subtrees=False,
        granularity="5-class", **kwargs)
    StanfordSentimentTreeBankDatasetReader.text_to_instance(tokens, sentiment=None)
nlpreg.data.dataset_readers.boolq
    BoolQDatasetReader(tokenizer=None, token_indexers=None, **kwargs)
    BoolQDatasetReader.text_to_instance(passage, question, label=None)
"""

# base, its default (- for none): the registered names
REGISTRIES = """
nlpreg.models.Model -: language_model bidirectional-language-model next_token_lm masked_language_model
    simple_tagger crf_tagger basic_classifier bcn transformer_classification_tt multitask
nlpreg.models.heads.Head -: classifier
nlpreg.data.DatasetReader -: simple_language_modeling next_token_lm masked_language_modeling conll2003
    conll2000 ontonotes_ner ccgbank sequence_tagging sst_tokens boolq text_classification_json
nlpreg.predictors.Predictor -: masked_language_model next_token_lm sentence_tagger text_classifier
"""


def test_every_name_can_be_imported_and_called_as_before(
    surface_differences: Callable[[str], list[str]],
) -> None:
    assert surface_differences(SURFACE) == []


def test_every_registered_name_is_there(registry_differences: Callable[[str], list[str]]) -> None:
    assert registry_differences(REGISTRIES) == []
