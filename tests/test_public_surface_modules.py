"""The names and arguments of `nlpreg.modules` that moved-over code uses."""

from collections.abc import Callable

SURFACE = """
nlpreg.modules
    Attention BiMpmMatching ConditionalRandomField Elmo FeedForward GatedSum Highway InputVariationalDropout
        LayerNorm MatrixAttention Maxout ResidualWithLayerDropout ScalarMix Seq2SeqEncoder Seq2VecEncoder
        TextFieldEmbedder TimeDistributed TokenEmbedder Embedding SoftmaxLoss
nlpreg.nn
    Module Activation Initializer InitializerApplicator RegularizerApplicator
nlpreg.modules.token_embedders
    TokenEmbedder Embedding TokenCharactersEncoder BagOfWordCountsTokenEmbedder PassThroughTokenEmbedder
        EmptyEmbedder ElmoTokenEmbedder PretrainedTransformerEmbedder
        PretrainedTransformerMismatchedEmbedder LanguageModelTokenEmbedder
        BidirectionalLanguageModelTokenEmbedder
nlpreg.modules.token_embedders.token_embedder
    TokenEmbedder()
    TokenEmbedder.get_output_dim()
nlpreg.modules.token_embedders.embedding
    Embedding(embedding_dim, num_embeddings=None, projection_dim=None, weight=None, padding_index=None,
        trainable=True, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False,
        vocab_namespace="tokens", pretrained_file=None, vocab=None)
    Embedding.forward(tokens)
    Embedding.extend_vocab(extended_vocab, vocab_namespace=None, extension_pretrained_file=None,
        model_path=None)
    _read_pretrained_embeddings_file(file_uri, embedding_dim, vocab, namespace="tokens")
    EmbeddingsTextFile(file_uri, encoding="utf-8", cache_dir=None)
    EmbeddingsTextFile.read()
    EmbeddingsTextFile.readline()
    EmbeddingsTextFile.close()
    EmbeddingsTextFile.DEFAULT_ENCODING
    EmbeddingsFileURI(main_file_uri, path_inside_archive=None)
    parse_embeddings_file_uri(uri)
    format_embeddings_file_uri(main_file_path_or_url, path_inside_archive=None)
nlpreg.modules.token_embedders.token_characters_encoder
    TokenCharactersEncoder(embedding, encoder, dropout=0.0)
    TokenCharactersEncoder.forward(token_characters)
nlpreg.modules.token_embedders.bag_of_word_counts_token_embedder
    BagOfWordCountsTokenEmbedder(vocab, vocab_namespace="tokens", projection_dim=None, ignore_oov=False)
    BagOfWordCountsTokenEmbedder.forward(inputs)
nlpreg.modules.token_embedders.pass_through_token_embedder
    PassThroughTokenEmbedder(hidden_dim)
    PassThroughTokenEmbedder.forward(tokens)
nlpreg.modules.token_embedders.empty_embedder
    EmptyEmbedder()
nlpreg.modules.token_embedders.elmo_token_embedder
    ElmoTokenEmbedder(options_file=..., weight_file=..., do_layer_norm=False, dropout=0.5,
        requires_grad=False, projection_dim=None, vocab_to_cache=None, scalar_mix_parameters=None)
    ElmoTokenEmbedder.forward(elmo_tokens, word_inputs=None)
nlpreg.modules.token_embedders.pretrained_transformer_embedder
    PretrainedTransformerEmbedder(model_name, *, max_length=None, sub_module=None, train_parameters=True,
        eval_mode=False, last_layer_only=True, override_weights_file=None,
        override_weights_strip_prefix=None, reinit_modules=None, load_weights=True,
        gradient_checkpointing=None, tokenizer_kwargs=None, transformer_kwargs=None)
    PretrainedTransformerEmbedder.forward(token_ids, mask, type_ids=None, segment_concat_mask=None)
    PretrainedTransformerEmbedder.authorized_missing_keys
nlpreg.modules.token_embedders.pretrained_transformer_mismatched_embedder
    PretrainedTransformerMismatchedEmbedder(model_name, max_length=None, sub_module=None,
        train_parameters=True, last_layer_only=True, override_weights_file=None,
        override_weights_strip_prefix=None, load_weights=True, gradient_checkpointing=None,
        tokenizer_kwargs=None, transformer_kwargs=None, sub_token_mode="avg")
    PretrainedTransformerMismatchedEmbedder.forward(token_ids, mask, offsets, wordpiece_mask, type_ids=None,
        segment_concat_mask=None)
nlpreg.modules.token_embedders.language_model
    LanguageModelTokenEmbedder(archive_file, dropout=None, bos_eos_tokens=("<S>", "</S>"),
        remove_bos_eos=True, requires_grad=False)
    LanguageModelTokenEmbedder.forward(tokens)
nlpreg.modules.token_embedders.bidirectional_lm
    BidirectionalLanguageModelTokenEmbedder(archive_file, dropout=None, bos_eos_tokens=("<S>", "</S>"),
        remove_bos_eos=True, requires_grad=False)
nlpreg.modules.text_field_embedders
    TextFieldEmbedder BasicTextFieldEmbedder
nlpreg.modules.text_field_embedders.text_field_embedder
    TextFieldEmbedder.forward(text_field_input, num_wrapping_dims=0, **kwargs)
    TextFieldEmbedder.get_output_dim()
nlpreg.modules.text_field_embedders.basic_text_field_embedder
    BasicTextFieldEmbedder(token_embedders)
    BasicTextFieldEmbedder.forward(text_field_input, num_wrapping_dims=0, **kwargs)
nlpreg.modules.encoder_base
    _EncoderBase(stateful=False)
    _EncoderBase.sort_and_run_forward(module, inputs, mask, hidden_state=None)
    _EncoderBase._update_states(final_states, restoration_indices)
    _EncoderBase.reset_states(mask=None)
nlpreg.modules.seq2seq_encoders
    Seq2SeqEncoder PytorchSeq2SeqWrapper LstmSeq2SeqEncoder GruSeq2SeqEncoder RnnSeq2SeqEncoder
        AugmentedLstmSeq2SeqEncoder StackedAlternatingLstmSeq2SeqEncoder
        StackedBidirectionalLstmSeq2SeqEncoder PassThroughEncoder FeedForwardEncoder ComposeEncoder
        PytorchTransformer GatedCnnEncoder BidirectionalLanguageModelTransformer
nlpreg.modules.seq2seq_encoders.seq2seq_encoder
    Seq2SeqEncoder(stateful=False)
    Seq2SeqEncoder.get_input_dim()
    Seq2SeqEncoder.get_output_dim()
    Seq2SeqEncoder.is_bidirectional()
nlpreg.modules.seq2seq_encoders.pytorch_seq2seq_wrapper
    PytorchSeq2SeqWrapper(module, stateful=False)
    PytorchSeq2SeqWrapper.forward(inputs, mask, hidden_state=None)
    LstmSeq2SeqEncoder(input_size, hidden_size, num_layers=1, bias=True, dropout=0.0, bidirectional=False,
        stateful=False)
    GruSeq2SeqEncoder(input_size, hidden_size, num_layers=1, bias=True, dropout=0.0, bidirectional=False,
        stateful=False)
    RnnSeq2SeqEncoder(input_size, hidden_size, num_layers=1, nonlinearity="tanh", bias=True, dropout=0.0,
        bidirectional=False, stateful=False)
    AugmentedLstmSeq2SeqEncoder(input_size, hidden_size, go_forward=True, recurrent_dropout_probability=0.0,
        use_highway=True, use_input_projection_bias=True, stateful=False)
    StackedAlternatingLstmSeq2SeqEncoder(input_size, hidden_size, num_layers,
        recurrent_dropout_probability=0.0, use_highway=True, use_input_projection_bias=True, stateful=False)
    StackedBidirectionalLstmSeq2SeqEncoder(input_size, hidden_size, num_layers,
        recurrent_dropout_probability=0.0, layer_dropout_probability=0.0, use_highway=True, stateful=False)
nlpreg.modules.seq2seq_encoders.pass_through_encoder
    PassThroughEncoder(input_dim)
    PassThroughEncoder.forward(inputs, mask=None)
nlpreg.modules.seq2seq_encoders.feedforward_encoder
    FeedForwardEncoder(feedforward)
    FeedForwardEncoder.forward(inputs, mask=None)
nlpreg.modules.seq2seq_encoders.compose_encoder
    ComposeEncoder(encoders)
    ComposeEncoder.forward(inputs, mask=None)
nlpreg.modules.seq2seq_encoders.pytorch_transformer_wrapper
    PytorchTransformer(input_dim, num_layers, feedforward_hidden_dim=2048, num_attention_heads=8,
        positional_encoding=None, positional_embedding_size=512, dropout_prob=0.1, activation="relu")
    PytorchTransformer.forward(inputs, mask)
nlpreg.modules.seq2seq_encoders.gated_cnn_encoder
    GatedCnnEncoder(input_dim, layers, dropout=0.0, return_all_layers=False)
    ResidualBlock(input_dim, layers, direction, do_weight_norm=True, dropout=0.0)
nlpreg.modules.seq2seq_encoders.bidirectional_lm_transformer
    BidirectionalLanguageModelTransformer(input_dim, hidden_dim, num_layers, dropout=0.1,
        input_dropout=None, return_all_layers=False)
    BidirectionalLanguageModelTransformer.get_attention_masks(mask)
    BidirectionalLanguageModelTransformer.get_regularization_penalty()
    subsequent_mask(size, device=...)
    PositionalEncoding(input_dim, max_len=5000)
    PositionwiseFeedForward TransformerEncoder SublayerConnection EncoderLayer
    MultiHeadedAttention(num_heads, input_dim, dropout=0.1)
    make_model(num_layers=6, input_size=512, hidden_size=2048, heads=8, dropout=0.1,
        return_all_layers=False)
nlpreg.modules.seq2vec_encoders
    Seq2VecEncoder PytorchSeq2VecWrapper LstmSeq2VecEncoder GruSeq2VecEncoder RnnSeq2VecEncoder
        AugmentedLstmSeq2VecEncoder StackedAlternatingLstmSeq2VecEncoder
        StackedBidirectionalLstmSeq2VecEncoder CnnEncoder CnnHighwayEncoder BagOfEmbeddingsEncoder ClsPooler
        BertPooler
nlpreg.modules.seq2vec_encoders.seq2vec_encoder
    Seq2VecEncoder.get_input_dim()
    Seq2VecEncoder.get_output_dim()
nlpreg.modules.seq2vec_encoders.pytorch_seq2vec_wrapper
    PytorchSeq2VecWrapper(module)
    PytorchSeq2VecWrapper.forward(inputs, mask, hidden_state=None)
    LstmSeq2VecEncoder(input_size, hidden_size, num_layers=1, bias=True, dropout=0.0, bidirectional=False)
    GruSeq2VecEncoder(input_size, hidden_size, num_layers=1, bias=True, dropout=0.0, bidirectional=False)
    RnnSeq2VecEncoder(input_size, hidden_size, num_layers=1, nonlinearity="tanh", bias=True, dropout=0.0,
        bidirectional=False)
    AugmentedLstmSeq2VecEncoder(input_size, hidden_size, go_forward=True, recurrent_dropout_probability=0.0,
        use_highway=True, use_input_projection_bias=True)
    StackedAlternatingLstmSeq2VecEncoder(input_size, hidden_size, num_layers,
        recurrent_dropout_probability=0.0, use_highway=True, use_input_projection_bias=True)
    StackedBidirectionalLstmSeq2VecEncoder(input_size, hidden_size, num_layers,
        recurrent_dropout_probability=0.0, layer_dropout_probability=0.0, use_highway=True)
nlpreg.modules.seq2vec_encoders.cnn_encoder
    CnnEncoder(embedding_dim, num_filters, ngram_filter_sizes=(2, 3, 4, 5), conv_layer_activation=None,
        output_dim=None)
    CnnEncoder.forward(tokens, mask)
nlpreg.modules.seq2vec_encoders.cnn_highway_encoder
    CnnHighwayEncoder(embedding_dim, filters, num_highway, projection_dim, activation="relu",
        projection_location="after_highway", do_layer_norm=False)
nlpreg.modules.seq2vec_encoders.boe_encoder
    BagOfEmbeddingsEncoder(embedding_dim, averaged=False)
    BagOfEmbeddingsEncoder.forward(tokens, mask=None)
nlpreg.modules.seq2vec_encoders.cls_pooler
    ClsPooler(embedding_dim, cls_is_last_token=False)
    ClsPooler.forward(tokens, mask=None)
nlpreg.modules.seq2vec_encoders.bert_pooler
    BertPooler(pretrained_model, *, override_weights_file=None, override_weights_strip_prefix=None,
        load_weights=True, requires_grad=True, dropout=0.0, transformer_kwargs=None)
    BertPooler.forward(tokens, mask=None, num_wrapping_dims=0)
nlpreg.modules.augmented_lstm
    AugmentedLSTMCell(embed_dim, lstm_dim, use_highway=True, use_bias=True)
    AugmentedLSTMCell.forward(x, states, variational_dropout_mask=None)
    AugmentedLSTMCell.reset_parameters()
    AugmentedLstm(input_size, hidden_size, go_forward=True, recurrent_dropout_probability=0.0,
        use_highway=True, use_input_projection_bias=True)
    AugmentedLstm.forward(inputs, states=None)
    BiAugmentedLstm(input_size, hidden_size, num_layers=1, bias=True, recurrent_dropout_probability=0.0,
        bidirectional=False, padding_value=0.0, use_highway=True)
    BiAugmentedLstm.forward(inputs, states=None)
nlpreg.modules.stacked_alternating_lstm
    StackedAlternatingLstm(input_size, hidden_size, num_layers, recurrent_dropout_probability=0.0,
        use_highway=True, use_input_projection_bias=True)
    StackedAlternatingLstm.forward(inputs, initial_state=None)
nlpreg.modules.stacked_bidirectional_lstm
    StackedBidirectionalLstm(input_size, hidden_size, num_layers, recurrent_dropout_probability=0.0,
        layer_dropout_probability=0.0, use_highway=True)
nlpreg.modules.lstm_cell_with_projection
    LstmCellWithProjection(input_size, hidden_size, cell_size, go_forward=True,
        recurrent_dropout_probability=0.0, memory_cell_clip_value=None, state_projection_clip_value=None)
    LstmCellWithProjection.forward(inputs, batch_lengths, initial_state=None)
nlpreg.modules.elmo
    Elmo(options_file, weight_file, num_output_representations, requires_grad=False, do_layer_norm=False,
        dropout=0.5, vocab_to_cache=None, keep_sentence_boundaries=False, scalar_mix_parameters=None,
        module=None)
    Elmo.forward(inputs, word_inputs=None)
    Elmo.get_output_dim()
    batch_to_ids(batch)
    _ElmoCharacterEncoder(options_file, weight_file, requires_grad=False)
    _ElmoBiLm(options_file, weight_file, requires_grad=False, vocab_to_cache=None)
    _ElmoBiLm.create_cached_cnn_embeddings(tokens)
nlpreg.modules.elmo_lstm
    ElmoLstm(input_size, hidden_size, cell_size, num_layers, requires_grad=False,
        recurrent_dropout_probability=0.0, memory_cell_clip_value=None, state_projection_clip_value=None)
    ElmoLstm.load_weights(weight_file)
nlpreg.modules.conditional_random_field
    ConditionalRandomField(num_tags, constraints=None, include_start_end_transitions=True)
    ConditionalRandomField.forward(inputs, tags, mask=None)
    ConditionalRandomField.viterbi_tags(logits, mask=None, top_k=None)
    allowed_transitions(constraint_type, labels)
nlpreg.modules.conditional_random_field.conditional_random_field
    ConditionalRandomField allowed_transitions
    is_transition_allowed(constraint_type, from_tag, from_entity, to_tag, to_entity)
nlpreg.modules.conditional_random_field.conditional_random_field_wemission
    ConditionalRandomFieldWeightEmission(num_tags, label_weights, constraints=None,
        include_start_end_transitions=True)
nlpreg.modules.conditional_random_field.conditional_random_field_wtrans
    ConditionalRandomFieldWeightTrans(num_tags, label_weights, constraints=None,
        include_start_end_transitions=True)
nlpreg.modules.conditional_random_field.conditional_random_field_wlannoy
    ConditionalRandomFieldWeightLannoy(num_tags, label_weights, constraints=None,
        include_start_end_transitions=True)
nlpreg.modules.feedforward
    FeedForward(input_dim, num_layers, hidden_dims, activations, dropout=0.0)
    FeedForward.get_input_dim()
    FeedForward.get_output_dim()
nlpreg.modules.maxout
    Maxout(input_dim, num_layers, output_dims, pool_sizes, dropout=0.0)
    Maxout.get_input_dim()
    Maxout.get_output_dim()
nlpreg.modules.highway
    Highway(input_dim, num_layers=1, activation=...)
nlpreg.modules.gated_sum
    GatedSum(input_dim, activation=...)
    GatedSum.get_input_dim()
    GatedSum.get_output_dim()
nlpreg.modules.layer_norm
    LayerNorm(dimension)
nlpreg.modules.masked_layer_norm
    MaskedLayerNorm(size, gamma0=0.1)
    MaskedLayerNorm.forward(tensor, mask)
nlpreg.modules.residual_with_layer_dropout
    ResidualWithLayerDropout(undecayed_dropout_prob=0.5)
    ResidualWithLayerDropout.forward(layer_input, layer_output, layer_index=None, total_layers=None)
nlpreg.modules.input_variational_dropout
    InputVariationalDropout(p=0.5, inplace=False)
nlpreg.modules.scalar_mix
    ScalarMix(mixture_size, do_layer_norm=False, initial_scalar_parameters=None, trainable=True)
    ScalarMix.forward(tensors, mask=None)
nlpreg.modules.time_distributed
    TimeDistributed(module)
nlpreg.modules.bimpm_matching
    BiMpmMatching(hidden_dim=100, num_perspectives=20, share_weights_between_directions=True,
        is_forward=None, with_full_match=True, with_maxpool_match=True, with_attentive_match=True,
        with_max_attentive_match=True)
nlpreg.modules.util
    replicate_layers(layer, num_copies)
nlpreg.modules.softmax_loss
    SoftmaxLoss(num_words, embedding_dim)
    SoftmaxLoss.forward(embeddings, targets)
nlpreg.modules.sampled_softmax_loss
    SampledSoftmaxLoss(num_words, embedding_dim, num_samples, sparse=False, unk_id=None,
        use_character_inputs=True, use_fast_sampler=False)
    SampledSoftmaxLoss.forward(embeddings, targets, target_token_embedding=None)
    SampledSoftmaxLoss.initialize_num_words()
    SampledSoftmaxLoss.log_uniform_candidate_sampler(targets, choice_func=...)
    _choice(num_words, num_samples)
nlpreg.modules.attention
    Attention(normalize=True)
    Attention.forward(vector, matrix, matrix_mask=None)
    DotProductAttention(normalize=True)
    ScaledDotProductAttention(scaling_factor=None, normalize=True)
    CosineAttention(normalize=True)
    BilinearAttention(vector_dim, matrix_dim, activation=None, normalize=True)
    AdditiveAttention(vector_dim, matrix_dim, normalize=True)
    LinearAttention(tensor_1_dim, tensor_2_dim, combination="x,y", activation=None, normalize=True)
nlpreg.modules.attention.attention
    Attention
nlpreg.modules.attention.dot_product_attention
    DotProductAttention
nlpreg.modules.attention.scaled_dot_product_attention
    ScaledDotProductAttention
nlpreg.modules.attention.cosine_attention
    CosineAttention
nlpreg.modules.attention.bilinear_attention
    BilinearAttention
nlpreg.modules.attention.additive_attention
    AdditiveAttention
nlpreg.modules.attention.linear_attention
    LinearAttention
nlpreg.modules.matrix_attention
    MatrixAttention()
    MatrixAttention.forward(matrix_1, matrix_2)
    DotProductMatrixAttention()
    ScaledDotProductMatrixAttention()
    CosineMatrixAttention()
    BilinearMatrixAttention(matrix_1_dim, matrix_2_dim, activation=None, use_input_biases=False,
        label_dim=1)
    LinearMatrixAttention(tensor_1_dim, tensor_2_dim, combination="x,y", activation=None)
nlpreg.modules.matrix_attention.matrix_attention
    MatrixAttention
nlpreg.modules.matrix_attention.bilinear_matrix_attention
    BilinearMatrixAttention
nlpreg.modules.matrix_attention.linear_matrix_attention
    LinearMatrixAttention
nlpreg.modules.matrix_attention.cosine_matrix_attention
    CosineMatrixAttention
nlpreg.modules.matrix_attention.dot_product_matrix_attention
    DotProductMatrixAttention
nlpreg.modules.matrix_attention.scaled_dot_product_matrix_attention
    ScaledDotProductMatrixAttention
nlpreg.modules.span_extractors
    SpanExtractor
    SpanExtractor.forward(sequence_tensor, span_indices, sequence_mask=None, span_indices_mask=None)
    SpanExtractor.get_input_dim()
    SpanExtractor.get_output_dim()
    SpanExtractorWithSpanWidthEmbedding(input_dim, num_width_embeddings=None, span_width_embedding_dim=None,
        bucket_widths=False)
    SpanExtractorWithSpanWidthEmbedding._embed_spans
    EndpointSpanExtractor(input_dim, combination="x,y", num_width_embeddings=None,
        span_width_embedding_dim=None, bucket_widths=False, use_exclusive_start_indices=False)
    BidirectionalEndpointSpanExtractor(input_dim, forward_combination="y-x", backward_combination="x-y",
        num_width_embeddings=None, span_width_embedding_dim=None, bucket_widths=False, use_sentinels=True)
    SelfAttentiveSpanExtractor(input_dim, num_width_embeddings=None, span_width_embedding_dim=None,
        bucket_widths=False)
    MaxPoolingSpanExtractor(input_dim, num_width_embeddings=None, span_width_embedding_dim=None,
        bucket_widths=False)
nlpreg.modules.span_extractors.span_extractor
    SpanExtractor
nlpreg.modules.span_extractors.span_extractor_with_span_width_embedding
    SpanExtractorWithSpanWidthEmbedding
nlpreg.modules.span_extractors.endpoint_span_extractor
    EndpointSpanExtractor
nlpreg.modules.span_extractors.bidirectional_endpoint_span_extractor
    BidirectionalEndpointSpanExtractor
nlpreg.modules.span_extractors.self_attentive_span_extractor
    SelfAttentiveSpanExtractor
nlpreg.modules.span_extractors.max_pooling_span_extractor
    MaxPoolingSpanExtractor
"""

# base, its default (- for none): the registered names
REGISTRIES = """
nlpreg.modules.token_embedders.TokenEmbedder embedding: embedding character_encoding bag_of_word_counts
    pass_through empty elmo_token_embedder pretrained_transformer pretrained_transformer_mismatched
    language_model_token_embedder bidirectional_lm_token_embedder
nlpreg.modules.text_field_embedders.TextFieldEmbedder basic: basic
nlpreg.modules.seq2seq_encoders.Seq2SeqEncoder -: gru lstm rnn augmented_lstm alternating_lstm
    stacked_bidirectional_lstm pass_through feedforward compose pytorch_transformer gated-cnn-encoder
    bidirectional_language_model_transformer
nlpreg.modules.seq2vec_encoders.Seq2VecEncoder -: gru lstm rnn augmented_lstm alternating_lstm
    stacked_bidirectional_lstm cnn cnn-highway boe bag_of_embeddings cls_pooler bert_pooler
nlpreg.modules.attention.Attention -: dot_product scaled_dot_product bilinear additive linear cosine
nlpreg.modules.matrix_attention.MatrixAttention -: dot_product scaled_dot_product bilinear linear cosine
nlpreg.modules.span_extractors.SpanExtractor -: endpoint bidirectional_endpoint self_attentive
    max_pooling
nlpreg.modules.language_model_heads.LanguageModelHead -: linear bert gpt2
"""


def test_every_name_can_be_imported_and_called_as_before(
    surface_differences: Callable[[str], list[str]],
) -> None:
    assert surface_differences(SURFACE) == []


def test_every_registered_name_is_there(registry_differences: Callable[[str], list[str]]) -> None:
    assert registry_differences(REGISTRIES) == []
