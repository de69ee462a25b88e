"""The names and arguments of `nlpreg.nn` that moved-over code uses."""

from collections.abc import Callable

SURFACE = """
nlpreg.nn.util
    get_text_field_mask(text_field_tensors, num_wrapping_dims=0, padding_id=0)
    get_token_ids_from_text_field_tensors(text_field_tensors)
    get_lengths_from_binary_sequence_mask(mask)
    get_mask_from_sequence_lengths(sequence_lengths, max_length)
    sort_batch_by_length(tensor, sequence_lengths)
    get_final_encoder_states(encoder_outputs, mask, bidirectional=False)
    get_dropout_mask(dropout_probability, tensor_for_masking)
    masked_softmax(vector, mask, dim=-1, memory_efficient=False)
    masked_log_softmax(vector, mask, dim=-1)
    masked_max(vector, mask, dim, keepdim=False)
    masked_mean(vector, mask, dim, keepdim=False)
    masked_flip(padded_sequence, sequence_lengths)
    weighted_sum(matrix, attention)
    replace_masked_values(tensor, mask, replace_with)
    sequence_cross_entropy_with_logits(logits, targets, weights, average="batch", label_smoothing=None,
        gamma=None, alpha=None)
    viterbi_decode(tag_sequence, transition_matrix, tag_observations=None, allowed_start_transitions=None,
        allowed_end_transitions=None, top_k=None)
    logsumexp(tensor, dim=-1, keepdim=False)
    add_sentence_boundary_token_ids(tensor, mask, sentence_begin_token, sentence_end_token)
    remove_sentence_boundaries(tensor, mask)
    add_positional_features(tensor, min_timescale=1.0, max_timescale=1.0e4)
    flatten_and_batch_shift_indices(indices, sequence_length)
    batched_index_select(target, indices, flattened_indices=None)
    masked_index_fill(target, indices, mask, fill_value=1)
    masked_index_replace(target, indices, mask, replace)
    batched_span_select(target, spans)
    flattened_index_select(target, indices)
    get_range_vector(size, device)
    bucket_values(distances, num_identity_buckets=4, num_total_buckets=10)
    combine_tensors(combination, tensors)
    combine_tensors_and_multiply(combination, tensors, weights)
    get_combined_dim(combination, tensor_dims)
    combine_initial_dims(tensor)
    uncombine_initial_dims(tensor, original_size)
    masked_topk(input_, mask, k, dim=-1)
    batch_tensor_dicts(tensor_dicts, remove_trailing_dimension=False)
    move_to_device(obj, device)
    clamp_tensor(tensor, minimum, maximum)
    tensors_equal(tensor1, tensor2, tolerance=1e-12)
    device_mapping(cuda_device)
    get_device_of(tensor)
    read_state_dict(path, strip_prefix=None, ignore=None, strict=True, cuda_device=-1)
    clone(module, num_copies)
    inspect_parameters(module, quiet=False)
    find_text_field_embedder(model)
    find_embedding_layer(model)
    get_token_offsets_from_text_field_inputs(text_field_inputs)
    extend_layer(layer, new_dim)
    info_value_of_dtype(dtype)
    min_value_of_dtype(dtype)
    max_value_of_dtype(dtype)
    tiny_value_of_dtype(dtype)
    distributed_device()
    dist_reduce(value, reduce_op)
    dist_reduce_sum(value)
    load_state_dict_distributed(module, state_dict, strict=True, prefix="")
    StateDictType _IncompatibleKeys
    _check_incompatible_keys(module, missing_keys, unexpected_keys, strict)
nlpreg.nn.module
    Module()
    Module.load_state_dict(state_dict, strict=True)
    Module._post_load_state_dict(missing_keys, unexpected_keys)
    Module.load_state_dict_distributed(state_dict, strict=True)
nlpreg.nn.parallel
    DdpAccelerator(local_rank=None, world_size=None, cuda_device=-1)
    DdpAccelerator.wrap_model(model)
    DdpAccelerator.wrap_module(module)
    TorchDdpAccelerator(*, find_unused_parameters=False, local_rank=None, world_size=None, cuda_device=-1)
    DdpWrappedModel(model, local_rank=None, world_size=None)
    DdpWrappedModel.load_state_dict DdpWrappedModel.state_dict
    DdpWrappedModel.clip_grad_norm_(max_norm)
    DdpWrappedModel.init_grad_scaler()
    DdpWrappedModel.consolidate_sharded_state DdpWrappedModel.is_sharded ShardedModuleMixin
    ShardedModuleMixin.get_original_module()
nlpreg.nn.parallel.ddp_accelerator
    DdpAccelerator DdpWrappedModel
nlpreg.nn.parallel.sharded_module_mixin
    ShardedModuleMixin
nlpreg.nn.checkpoint
    CheckpointWrapper
    CheckpointWrapper.wrap_module(module, **kwargs)
    TorchCheckpointWrapper
nlpreg.nn.checkpoint.checkpoint_wrapper
    CheckpointWrapper
nlpreg.nn.chu_liu_edmonds
    decode_mst(energy, length, has_labels=True)
nlpreg.nn.initializers
    Initializer
    NormalInitializer(mean=0.0, std=0.1)
    UniformInitializer(a=0.0, b=1.0)
    ConstantInitializer(val)
    ZeroInitializer()
    EyeInitializer()
    DiracInitializer()
    XavierUniformInitializer(gain=1.0)
    XavierNormalInitializer(gain=1.0)
    KaimingUniformInitializer(a=0.0, mode="fan_in", nonlinearity="leaky_relu")
    KaimingNormalInitializer(a=0.0, mode="fan_in", nonlinearity="leaky_relu")
    OrthogonalInitializer(gain=1.0)
    SparseInitializer(sparsity, std=0.01)
    BlockOrthogonalInitializer(split_sizes, gain=1.0)
    UniformUnitScalingInitializer(nonlinearity="linear")
    LstmHiddenBiasInitializer()
    PretrainedModelInitializer(weights_file_path, parameter_name_overrides=None)
    InitializerApplicator(regexes=None, prevent_regexes=None)
    uniform_unit_scaling(tensor, nonlinearity="linear")
    block_orthogonal(tensor, split_sizes, gain=1.0)
    zero(tensor)
    lstm_hidden_bias(tensor)
nlpreg.nn.regularizers
    Regularizer
    L1Regularizer(alpha=0.01)
    L2Regularizer(alpha=0.01)
    RegularizerApplicator(regexes=None)
nlpreg.nn.regularizers.regularizer
    Regularizer
nlpreg.nn.regularizers.regularizers
    L1Regularizer L2Regularizer
nlpreg.nn.regularizers.regularizer_applicator
    RegularizerApplicator
nlpreg.nn.activations
    Activation LinearActivation MishActivation SwishActivation GeluNew GeluFast
nlpreg.nn.beam_search
    BeamSearch(end_index, max_steps=50, beam_size=10, per_node_beam_size=None, sampler=None, min_steps=None,
        final_sequence_scorer=None, constraints=None, vocab=None)
    BeamSearch.search(start_predictions, start_state, step)
    StateType StepFunctionType StepFunctionTypeWithTimestep StepFunctionTypeNoTimestep ConstraintStateType
        Sampler
    Sampler.init_state(start_class_log_probabilities, batch_size, num_classes)
    Sampler.sample_nodes(log_probs, per_node_beam_size, state)
    Sampler.sample_beams(log_probs, beam_size, state)
    DeterministicSampler()
    MultinomialSampler(temperature=1.0, with_replacement=False)
    TopKSampler(k=1, temperature=1.0, with_replacement=False)
    TopPSampler(p=0.9, temperature=1.0, with_replacement=False)
    GumbelSampler(temperature=1.0)
    GumbelSampler.gumbel(phi)
    GumbelSampler.gumbel_with_max(phi, T)
    FinalSequenceScorer
    FinalSequenceScorer.score(predictions, log_probabilities, end_index)
    SequenceLogProbabilityScorer()
    LengthNormalizedSequenceLogProbabilityScorer(length_penalty=1.0)
    Constraint(vocab=None)
    Constraint.init_state(batch_size)
    Constraint.apply(state, class_log_probabilities)
    Constraint.update_state(state, last_prediction, last_backpointer=None)
    Constraint._update_state(state, last_prediction)
    RepeatedNGramBlockingConstraint(ngram_size, vocab=None)
nlpreg.nn.beam_search_generators
    BeamSearchGenerator(beam_search)
    BeamSearchGenerator.validate_text_field_embedder(text_field_embedder)
    BeamSearchGenerator.get_step_state(inputs)
    BeamSearchGenerator.prepare_step_input(predictions, state)
    BeamSearchGenerator.search(start_predictions, state, step_function)
    TransformerBeamSearchGenerator(beam_search, *, namespace=None)
"""

# base, its default (- for none): the registered names
REGISTRIES = """
nlpreg.nn.activations.Activation -: relu relu6 elu gelu prelu leaky_relu threshold hardtanh sigmoid tanh
    log_sigmoid softplus softshrink softsign tanhshrink selu linear mish swish gelu_new gelu_fast
nlpreg.nn.initializers.Initializer normal: normal uniform constant zero eye dirac xavier_uniform
    xavier_normal kaiming_uniform kaiming_normal orthogonal sparse block_orthogonal uniform_unit_scaling
    lstm_hidden_bias pretrained
nlpreg.nn.regularizers.Regularizer l2: l1 l2
nlpreg.nn.beam_search.BeamSearch beam_search: beam_search
nlpreg.nn.beam_search.Sampler deterministic: deterministic multinomial top-k top-p gumbel
nlpreg.nn.beam_search.FinalSequenceScorer sequence-log-prob: sequence-log-prob
    length-normalized-sequence-log-prob
nlpreg.nn.beam_search.Constraint -: repeated-ngram-blocking
nlpreg.nn.parallel.DdpAccelerator torch: torch
nlpreg.nn.checkpoint.CheckpointWrapper torch: torch
nlpreg.nn.beam_search_generators.BeamSearchGenerator -: transformer
"""


def test_every_name_can_be_imported_and_called_as_before(
    surface_differences: Callable[[str], list[str]],
) -> None:
    assert surface_differences(SURFACE) == []


def test_every_registered_name_is_there(registry_differences: Callable[[str], list[str]]) -> None:
    assert registry_differences(REGISTRIES) == []
