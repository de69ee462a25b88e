"""The names, signatures and registrations of `nlpreg.data`, as code written for AllenNLP 2.x uses them."""

from collections.abc import Callable

SURFACE = """
nlpreg.data
    DataLoader TensorDict nlpreg_collate DatasetReader DatasetReaderInput DataArray Field
    TextFieldTensors Instance BatchSampler TokenIndexer IndexedTokenList Token Tokenizer Vocabulary
    Batch
    Instance(fields)
    Instance.add_field(field_name, field, vocab=None)
    Instance.count_vocab_items(counter)
    Instance.index_fields(vocab)
    Instance.get_padding_lengths()
    Instance.as_tensor_dict(padding_lengths=None)
    Instance.duplicate()
    Instance.human_readable_dict()
    Batch(instances)
    Batch.get_padding_lengths()
    Batch.as_tensor_dict(padding_lengths=None, verbose=False)
    Batch.index_instances(vocab)
    Batch.print_statistics()
    Token(text=None, idx=None, idx_end=None, lemma_=None, pos_=None, tag_=None, dep_=None,
        ent_type_=None, text_id=None, type_id=None)
    Tokenizer.tokenize(text)
    Tokenizer.batch_tokenize(texts)
    Tokenizer.add_special_tokens(tokens1, tokens2=None)
    TokenIndexer(token_min_padding_length=0)
    TokenIndexer.count_vocab_items(token, counter)
    TokenIndexer.tokens_to_indices(tokens, vocabulary)
    TokenIndexer.indices_to_tokens(indexed_tokens, vocabulary)
    TokenIndexer.get_empty_token_list()
    TokenIndexer.get_padding_lengths(indexed_tokens)
    TokenIndexer.as_padded_tensor_dict(tokens, padding_lengths)
    DatasetReader(max_instances=None, manual_distributed_sharding=False,
        manual_multiprocess_sharding=False, serialization_dir=None)
    DatasetReader.read(file_path)
    DatasetReader._read(file_path)
    DatasetReader.text_to_instance(*args)
    DatasetReader.apply_token_indexers(instance)
    DatasetReader.shard_iterable(iterable)
    DatasetReader.get_worker_info()
    DatasetReader.get_distributed_info()
    DatasetReader._set_worker_info(info)
    DatasetReader._set_distributed_info(info)
    BatchSampler.get_batch_indices(instances)
    BatchSampler.get_num_batches(instances)
    BatchSampler.get_batch_size()
    DataLoader.iter_instances()
    DataLoader.index_with(vocab)
    DataLoader.set_target_device(device)
    nlpreg_collate(instances)
nlpreg.data.vocabulary
    Vocabulary DEFAULT_NON_PADDED_NAMESPACES DEFAULT_PADDING_TOKEN DEFAULT_OOV_TOKEN
    NAMESPACE_PADDING_FILE
    Vocabulary(counter=None, min_count=None, max_vocab_size=None, non_padded_namespaces=('*tags',
        '*labels'), pretrained_files=None, only_include_pretrained_words=False, tokens_to_add=None,
        min_pretrained_embeddings=None, padding_token='@@PADDING@@', oov_token='@@UNKNOWN@@')
    Vocabulary.from_instances(instances, min_count=None, max_vocab_size=None,
        non_padded_namespaces=('*tags', '*labels'), pretrained_files=None,
        only_include_pretrained_words=False, tokens_to_add=None, min_pretrained_embeddings=None,
        padding_token='@@PADDING@@', oov_token='@@UNKNOWN@@')
    Vocabulary.from_files(directory, padding_token='@@PADDING@@', oov_token='@@UNKNOWN@@')
    Vocabulary.from_files_and_instances(instances, directory, padding_token='@@PADDING@@',
        oov_token='@@UNKNOWN@@', min_count=None, max_vocab_size=None, non_padded_namespaces=('*tags',
        '*labels'), pretrained_files=None, only_include_pretrained_words=False, tokens_to_add=None,
        min_pretrained_embeddings=None)
    Vocabulary.empty()
    Vocabulary.from_pretrained_transformer(model_name, namespace='tokens', oov_token=None)
    Vocabulary.from_pretrained_transformer_and_instances(instances, transformers, min_count=None,
        max_vocab_size=None, non_padded_namespaces=('*tags', '*labels'), pretrained_files=None,
        only_include_pretrained_words=False, tokens_to_add=None, min_pretrained_embeddings=None,
        padding_token='@@PADDING@@', oov_token='@@UNKNOWN@@')
    Vocabulary.extend_from_instances(instances)
    Vocabulary.extend_from_vocab(vocab)
    Vocabulary.add_token_to_namespace(token, namespace='tokens')
    Vocabulary.add_tokens_to_namespace(tokens, namespace='tokens')
    Vocabulary.get_token_index(token, namespace='tokens')
    Vocabulary.get_token_from_index(index, namespace='tokens')
    Vocabulary.get_vocab_size(namespace='tokens')
    Vocabulary.get_namespaces()
    Vocabulary.get_index_to_token_vocabulary(namespace='tokens')
    Vocabulary.get_token_to_index_vocabulary(namespace='tokens')
    Vocabulary.is_padded(namespace)
    Vocabulary.add_transformer_vocab(tokenizer, namespace='tokens')
    Vocabulary.set_from_file(filename, is_padded=True, oov_token='@@UNKNOWN@@', namespace='tokens')
    Vocabulary.save_to_files(directory)
    Vocabulary.print_statistics()
nlpreg.data.instance
    Instance
nlpreg.data.batch
    Batch
nlpreg.data.fields
    Field AdjacencyField TensorField ArrayField FlagField IndexField LabelField ListField MetadataField
    MultiLabelField NamespaceSwappingField SequenceField SequenceLabelField SpanField TextField
    TransformerTextField
    Field.count_vocab_items(counter)
    Field.index(vocab)
    Field.get_padding_lengths()
    Field.as_tensor(padding_lengths)
    Field.empty_field()
    Field.batch_tensors(tensor_list)
    Field.human_readable_repr()
    Field.duplicate()
    SequenceField.sequence_length()
    TextField(tokens, token_indexers=None)
    LabelField(label, label_namespace='labels', skip_indexing=False)
    MultiLabelField(labels, label_namespace='labels', skip_indexing=False, num_labels=None)
    SequenceLabelField(labels, sequence_field, label_namespace='labels')
    IndexField(index, sequence_field)
    SpanField(span_start, span_end, sequence_field)
    ListField(field_list)
    TensorField(tensor, padding_value=0.0, dtype=None)
    FlagField(flag_value)
    MetadataField(metadata)
    AdjacencyField(indices, sequence_field, labels=None, label_namespace='labels', padding_value=-1)
    NamespaceSwappingField(source_tokens, target_namespace)
    TransformerTextField(input_ids, token_type_ids=None, attention_mask=None, special_tokens_mask=None,
        offsets_mapping=None, padding_token_id=0)
nlpreg.data.fields.field
    Field DataArray
nlpreg.data.fields.adjacency_field
    AdjacencyField
nlpreg.data.fields.array_field
    ArrayField
nlpreg.data.fields.tensor_field
    TensorField
nlpreg.data.fields.flag_field
    FlagField
nlpreg.data.fields.index_field
    IndexField
nlpreg.data.fields.label_field
    LabelField
nlpreg.data.fields.list_field
    ListField
nlpreg.data.fields.metadata_field
    MetadataField
nlpreg.data.fields.multilabel_field
    MultiLabelField
nlpreg.data.fields.namespace_swapping_field
    NamespaceSwappingField
nlpreg.data.fields.sequence_field
    SequenceField
nlpreg.data.fields.sequence_label_field
    SequenceLabelField
nlpreg.data.fields.span_field
    SpanField
nlpreg.data.fields.text_field
    TextField TextFieldTensors
nlpreg.data.fields.transformer_text_field
    TransformerTextField
nlpreg.data.tokenizers
    Token Tokenizer SpacyTokenizer WhitespaceTokenizer CharacterTokenizer LettersDigitsTokenizer
    PretrainedTransformerTokenizer SentenceSplitter
    CharacterTokenizer(byte_encoding=None, lowercase_characters=False, start_tokens=None,
        end_tokens=None)
    SpacyTokenizer(language='en_core_web_sm', pos_tags=True, parse=False, ner=False,
        keep_spacy_tokens=False, split_on_spaces=False, start_tokens=None, end_tokens=None)
    PretrainedTransformerTokenizer(model_name, add_special_tokens=True, max_length=None,
        tokenizer_kwargs=None, verification_tokens=None)
    PretrainedTransformerTokenizer.intra_word_tokenize(string_tokens)
    PretrainedTransformerTokenizer.intra_word_tokenize_sentence_pair(string_tokens_a, string_tokens_b)
    PretrainedTransformerTokenizer.tokenizer_lowercases(tokenizer)
nlpreg.data.tokenizers.token_class
    Token show_token
nlpreg.data.tokenizers.tokenizer
    Tokenizer
nlpreg.data.tokenizers.spacy_tokenizer
    SpacyTokenizer
nlpreg.data.tokenizers.whitespace_tokenizer
    WhitespaceTokenizer
nlpreg.data.tokenizers.character_tokenizer
    CharacterTokenizer
nlpreg.data.tokenizers.letters_digits_tokenizer
    LettersDigitsTokenizer
nlpreg.data.tokenizers.pretrained_transformer_tokenizer
    PretrainedTransformerTokenizer
nlpreg.data.tokenizers.sentence_splitter
    SentenceSplitter SpacySentenceSplitter
    SpacySentenceSplitter(language='en_core_web_sm', rule_based=False)
nlpreg.data.token_indexers
    TokenIndexer IndexedTokenList SingleIdTokenIndexer TokenCharactersIndexer ELMoTokenCharactersIndexer
    SpacyTokenIndexer PretrainedTransformerIndexer PretrainedTransformerMismatchedIndexer
    SingleIdTokenIndexer(namespace='tokens', lowercase_tokens=False, start_tokens=None, end_tokens=None,
        feature_name='text', default_value=..., token_min_padding_length=0)
    TokenCharactersIndexer(namespace='token_characters', character_tokenizer=..., start_tokens=None,
        end_tokens=None, min_padding_length=0, token_min_padding_length=0)
    ELMoTokenCharactersIndexer(namespace='elmo_characters', tokens_to_add=None,
        token_min_padding_length=0)
    SpacyTokenIndexer(hidden_dim=96, token_min_padding_length=0)
    PretrainedTransformerIndexer(model_name, namespace='tags', max_length=None, tokenizer_kwargs=None)
    PretrainedTransformerMismatchedIndexer(model_name, namespace='tags', max_length=None,
        tokenizer_kwargs=None)
nlpreg.data.token_indexers.token_indexer
    TokenIndexer IndexedTokenList
nlpreg.data.token_indexers.single_id_token_indexer
    SingleIdTokenIndexer
nlpreg.data.token_indexers.token_characters_indexer
    TokenCharactersIndexer
nlpreg.data.token_indexers.elmo_indexer
    ELMoTokenCharactersIndexer ELMoCharacterMapper
    ELMoCharacterMapper(tokens_to_add=None)
    ELMoCharacterMapper.convert_word_to_char_ids(word)
nlpreg.data.token_indexers.spacy_indexer
    SpacyTokenIndexer
nlpreg.data.token_indexers.pretrained_transformer_indexer
    PretrainedTransformerIndexer
nlpreg.data.token_indexers.pretrained_transformer_mismatched_indexer
    PretrainedTransformerMismatchedIndexer
nlpreg.data.dataset_readers
    DatasetReader WorkerInfo DatasetReaderInput BabiReader Conll2003DatasetReader
    InterleavingDatasetReader SequenceTaggingDatasetReader ShardedDatasetReader
    TextClassificationJsonReader MultiTaskDatasetReader
    WorkerInfo(num_workers, id)
    SequenceTaggingDatasetReader(word_tag_delimiter='###', token_delimiter=None, token_indexers=None,
        **kwargs)
    SequenceTaggingDatasetReader.text_to_instance(tokens, tags=None)
    TextClassificationJsonReader(token_indexers=None, tokenizer=None, segment_sentences=False,
        max_sequence_length=None, skip_label_indexing=False, text_key='text', label_key='label', **kwargs)
    TextClassificationJsonReader.text_to_instance(text, label=None)
    Conll2003DatasetReader(token_indexers=None, tag_label='ner', feature_labels=(),
        convert_to_coding_scheme=None, label_namespace='labels', **kwargs)
    Conll2003DatasetReader.text_to_instance(tokens, pos_tags=None, chunk_tags=None, ner_tags=None)
    BabiReader(keep_sentences=False, token_indexers=None, **kwargs)
    InterleavingDatasetReader(readers, dataset_field_name='dataset', scheme='round_robin')
    InterleavingDatasetReader.text_to_instance(dataset_key, *args, **kwargs)
    ShardedDatasetReader(base_reader)
    MultiTaskDatasetReader(readers)
    MultiTaskDatasetReader.read(file_paths, *, force_task=None)
nlpreg.data.dataset_readers.dataset_reader
    DatasetReader WorkerInfo DistributedInfo DatasetReaderInput PathOrStr
    DistributedInfo(world_size, global_rank)
nlpreg.data.dataset_readers.babi
    BabiReader
nlpreg.data.dataset_readers.conll2003
    Conll2003DatasetReader
nlpreg.data.dataset_readers.interleaving_dataset_reader
    InterleavingDatasetReader
nlpreg.data.dataset_readers.multitask
    MultiTaskDatasetReader
nlpreg.data.dataset_readers.sequence_tagging
    SequenceTaggingDatasetReader
nlpreg.data.dataset_readers.sharded_dataset_reader
    ShardedDatasetReader
nlpreg.data.dataset_readers.text_classification_json
    TextClassificationJsonReader
nlpreg.data.dataset_readers.dataset_utils
    enumerate_spans bio_tags_to_spans to_bioul iob1_to_bioul bioul_tags_to_spans
    enumerate_spans(sentence, offset=0, max_span_width=None, min_span_width=1, filter_function=None)
nlpreg.data.dataset_readers.dataset_utils.span_utils
    TypedSpan TypedStringSpan InvalidTagSequence enumerate_spans bio_tags_to_spans iob1_tags_to_spans
    bioul_tags_to_spans bmes_tags_to_spans to_bioul iob1_to_bioul
    bio_tags_to_spans(tag_sequence, classes_to_ignore=None)
    iob1_tags_to_spans(tag_sequence, classes_to_ignore=None)
    bioul_tags_to_spans(tag_sequence, classes_to_ignore=None)
    bmes_tags_to_spans(tag_sequence, classes_to_ignore=None)
    to_bioul(tag_sequence, encoding='IOB1')
    iob1_to_bioul(tag_sequence)
    InvalidTagSequence(tag_sequence=None)
nlpreg.data.samplers
    BatchSampler BucketBatchSampler MaxTokensBatchSampler
    BucketBatchSampler(batch_size, sorting_keys=None, padding_noise=0.1, drop_last=False, shuffle=True)
    MaxTokensBatchSampler(max_tokens, sorting_keys=None, padding_noise=0.1)
nlpreg.data.samplers.batch_sampler
    BatchSampler
nlpreg.data.samplers.bucket_batch_sampler
    BucketBatchSampler
nlpreg.data.samplers.max_tokens_batch_sampler
    MaxTokensBatchSampler
nlpreg.data.data_loaders
    DataLoader TensorDict MultiProcessDataLoader WorkerError MultiTaskDataLoader SimpleDataLoader
    nlpreg_collate
    MultiProcessDataLoader(reader, data_path, *, batch_size=None, drop_last=False, shuffle=False,
        batch_sampler=None, batches_per_epoch=None, num_workers=0, max_instances_in_memory=None,
        start_method='fork', cuda_device=None, quiet=False, collate_fn=...)
    WorkerError(original_err_repr, traceback)
    SimpleDataLoader(instances, batch_size, *, shuffle=False, batches_per_epoch=None, vocab=None)
    SimpleDataLoader.from_dataset_reader(reader, data_path, batch_size, shuffle=False,
        batches_per_epoch=None, quiet=False)
    MultiTaskDataLoader(reader, data_path, scheduler, *, sampler=None, instances_per_epoch=None,
        num_workers=None, max_instances_in_memory=None, start_method=None, instance_queue_size=None,
        instance_chunk_size=None, shuffle=True, cuda_device=None)
nlpreg.data.data_loaders.data_loader
    DataLoader TensorDict
nlpreg.data.data_loaders.data_collator
    DataCollator DefaultDataCollator LanguageModelingDataCollator nlpreg_collate
    LanguageModelingDataCollator(model_name, mlm=True, mlm_probability=0.15, filed_name='source',
        namespace='tokens')
nlpreg.data.data_loaders.multiprocess_data_loader
    MultiProcessDataLoader WorkerError
nlpreg.data.data_loaders.simple_data_loader
    SimpleDataLoader
nlpreg.data.data_loaders.multitask_data_loader
    MultiTaskDataLoader
nlpreg.data.data_loaders.multitask_scheduler
    MultiTaskScheduler RoundRobinScheduler HomogeneousRoundRobinScheduler
    MultiTaskScheduler.batch_instances(epoch_instances)
    MultiTaskScheduler.count_batches(dataset_counts)
    MultiTaskScheduler.update_from_epoch_metrics(epoch_metrics)
    RoundRobinScheduler(batch_size, drop_last=False)
    HomogeneousRoundRobinScheduler(batch_size, drop_last=False)
nlpreg.data.data_loaders.multitask_epoch_sampler
    MultiTaskEpochSampler UniformSampler WeightedSampler ProportionalSampler
    MultiTaskEpochSampler.get_task_proportions(data_loaders)
    MultiTaskEpochSampler.update_from_epoch_metrics(epoch_metrics)
    WeightedSampler(weights)
"""
"""Modules, what is imported from each, and how it is called."""

REGISTERED = """
nlpreg.data.Vocabulary from_instances: from_instances from_files extend empty from_pretrained_transformer
    from_pretrained_transformer_and_instances
nlpreg.data.Tokenizer spacy: spacy whitespace just_spaces character letters_digits pretrained_transformer
nlpreg.data.tokenizers.SentenceSplitter spacy: spacy
nlpreg.data.TokenIndexer single_id: single_id characters elmo_characters spacy pretrained_transformer
    pretrained_transformer_mismatched
nlpreg.data.DatasetReader -: sequence_tagging text_classification_json conll2003 babi interleaving
    sharded multitask multitask_shim
nlpreg.data.DataLoader multiprocess: multiprocess simple multitask
nlpreg.data.data_loaders.data_collator.DataCollator nlpreg: nlpreg language_model
nlpreg.data.BatchSampler -: bucket max_tokens_sampler
nlpreg.data.data_loaders.multitask_scheduler.MultiTaskScheduler homogeneous_roundrobin:
    homogeneous_roundrobin roundrobin
nlpreg.data.data_loaders.multitask_epoch_sampler.MultiTaskEpochSampler -: uniform weighted proportional
"""
"""Each base with its default and the registered names."""


def test_names_and_signatures(surface_differences: Callable[[str], list[str]]) -> None:
    assert surface_differences(SURFACE) == []


def test_registered_names(registry_differences: Callable[[str], list[str]]) -> None:
    assert registry_differences(REGISTERED) == []
