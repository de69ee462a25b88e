"""The names and arguments of `nlpreg.common` that moved-over code uses."""

from collections.abc import Callable

SURFACE = """
nlpreg.common
    FromParams Lazy Params Registrable Tqdm JsonDict Meta
nlpreg.common.registrable
    Registrable Registrable._registry Registrable.default_implementation
    Registrable.register(name, constructor=None, exist_ok=False)
    Registrable.by_name(name)
    Registrable.resolve_class_name(name)
    Registrable.list_available()
    Registrable.to_params()
    Registrable._to_params()
nlpreg.common.from_params
    FromParams
    FromParams.from_params(params, constructor_to_call=None, constructor_to_inspect=None, **extras)
    FromParams.to_params()
    FromParams._to_params()
    takes_arg(obj, arg)
    takes_kwargs(obj)
    can_construct_from_params(type_)
    is_base_registrable(cls)
    remove_optional(annotation)
    infer_constructor_params(cls, constructor=None)
    infer_params(cls, constructor=None)
    infer_method_params(cls, method)
    create_kwargs(constructor, cls, params, **extras)
    create_extras(cls, extras)
    pop_and_construct_arg(class_name, argument_name, annotation, default, params, **extras)
    construct_arg(class_name, argument_name, popped_params, annotation, default, **extras)
nlpreg.common.lazy
    Lazy(constructor, params=None, constructor_extras=None, **kwargs)
    Lazy.construct(**kwargs)
    Lazy.constructor
nlpreg.common.params
    Params(params, history="")
    Params.DEFAULT
    Params.pop(key, default=..., keep_as_dict=False)
    Params.pop_int(key, default=...)
    Params.pop_float(key, default=...)
    Params.pop_bool(key, default=...)
    Params.get(key, default=...)
    Params.pop_choice(key, choices, default_to_first_choice=False, allow_class_names=True)
    Params.as_dict(quiet=False, infer_type_and_cast=False)
    Params.as_flat_dict()
    Params.duplicate()
    Params.assert_empty(class_name)
    Params.from_file(params_file, params_overrides="", ext_vars=None)
    Params.to_file(params_file, preference_orders=None)
    Params.as_ordered_dict(preference_orders=None)
    Params.get_hash()
    parse_overrides(serialized_overrides, ext_vars=None)
    with_overrides(original, overrides_dict, prefix="")
    infer_and_cast(value)
    pop_choice(params, key, choices, default_to_first_choice=False, history="?.", allow_class_names=True)
    remove_keys_from_params(params, keys=["pretrained_file", "initializer"])
nlpreg.common.plugins
    LOCAL_PLUGINS_FILENAME GLOBAL_PLUGINS_FILENAME DEFAULT_PLUGINS
    discover_file_plugins(plugins_filename=".nlpreg_plugins")
    discover_plugins()
    import_plugins()
nlpreg.common.checks
    ConfigurationError(message)
    ExperimentalFeatureWarning
    log_pytorch_version_info()
    check_dimensions_match(dimension_1, dimension_2, dim_1_name, dim_2_name)
    parse_cuda_device(cuda_device)
    check_for_gpu(device)
    check_for_java()
nlpreg.common.util
    JsonDict START_SYMBOL END_SYMBOL PathType
    sanitize(x)
    group_by_count(iterable, count, default_value)
    lazy_groups_of(iterable, group_size)
    pad_sequence_to_length(sequence, desired_length, default_value=..., padding_on_right=True)
    add_noise_to_dict_values(dictionary, noise_param)
    namespace_match(pattern, namespace)
    prepare_environment(params)
    get_spacy_model(spacy_model_name, pos_tags=True, parse=False, ner=False)
    LOADED_SPACY_MODELS
    pushd(new_dir, verbose=False)
    push_python_path(path)
    import_module_and_submodules(package_name, exclude=None)
    peak_cpu_memory()
    peak_gpu_memory()
    ensure_list(iterable)
    is_lazy(iterable)
    int_to_device(device)
    log_frozen_and_tunable_parameter_names(model)
    get_frozen_and_tunable_parameter_names(model)
    dump_metrics(file_path, metrics, log=False)
    flatten_filename(file_path)
    is_distributed()
    is_global_primary()
    sanitize_wordpiece(wordpiece)
    sanitize_ptb_tokenized_string(text)
    find_open_port()
    format_timedelta(td)
    format_size(size)
    nan_safe_tensor_divide(numerator, denominator)
    shuffle_iterable(i, pool_size=1024)
    cycle_iterator_function(iterator_function)
    hash_object(o)
    SigTermReceived
    install_sigterm_handler()
nlpreg.common.file_utils
    CACHE_ROOT CACHE_DIRECTORY
    cached_path(url_or_filename, cache_dir=None, extract_archive=False, force_extract=False)
    is_url_or_existing_file(url_or_filename)
    filename_to_url(filename, cache_dir=None)
    FileLock(lock_file, timeout=-1, read_only_ok=False)
    read_set_from_file(filename)
    get_file_extension(path, dot=True, lower=True)
    open_compressed(filename, mode="rt", encoding="UTF-8", **kwargs)
    text_lines_from_file(filename, strip_lines=True)
    json_lines_from_file(filename)
    remove_cache_entries(patterns, cache_dir=None)
    inspect_cache(patterns=None, cache_dir=None)
    hardlink_or_copy(source, dest)
    TensorCache(filename, *, map_size=1099511627776, read_only=False)
    LocalCacheResource(resource_name, version, cache_dir=...)
    LocalCacheResource.cached()
    LocalCacheResource.writer(mode="w")
    LocalCacheResource.reader(mode="r")
nlpreg.common.tqdm
    Tqdm Tqdm.tqdm
    Tqdm.set_lock(lock)
    Tqdm.get_lock()
nlpreg.common.logging
    NlpregLogger NlpregLogger.debug_once NlpregLogger.info_once NlpregLogger.warning_once
        NlpregLogger.error_once NlpregLogger.critical_once AllenNlpLogger FILE_FRIENDLY_LOGGING ErrorFilter
    prepare_global_logging(serialization_dir, rank=0, world_size=1)
nlpreg.common.meta
    META_NAME
    Meta(version)
    Meta.new()
    Meta.to_file(path)
    Meta.from_path(path)
nlpreg.common.iteration
    ShuffledSequence(inner_sequence, indices=None)
    SlicedSequence ConcatenatedSequence
nlpreg.common.cached_transformers
    get(model_name, make_copy, override_weights_file=None, override_weights_strip_prefix=None,
        reinit_modules=None, load_weights=True, **kwargs)
    get_tokenizer(model_name, **kwargs)
nlpreg.common.testing
    NlpregTestCase AllenNlpTestCase ModelTestCase run_distributed_test multi_device requires_gpu
        requires_multi_gpu cpu_or_gpu
    assert_metrics_values(metrics, desired_values, rtol=0.0001, atol=1e-05)
    global_distributed_metric(global_rank, world_size, gpu_id, metric, metric_kwargs, desired_values,
        exact=True, number_of_runs=1)
    assert_equal_parameters(old_module, new_module, ignore_missing=False, mapping=None)
nlpreg.common.testing.test_case
    NlpregTestCase NlpregTestCase.PROJECT_ROOT NlpregTestCase.MODULE_ROOT NlpregTestCase.TOOLS_ROOT
        NlpregTestCase.PROJECT_ROOT_FALLBACK NlpregTestCase.TESTS_ROOT NlpregTestCase.FIXTURES_ROOT
    NlpregTestCase.setup_method()
    NlpregTestCase.teardown_method()
nlpreg.common.testing.distributed_test
    run_distributed_test(device_ids=None, func=None)
    init_process(process_rank, world_size, distributed_device_ids, func, func_args=None, func_kwargs=None,
        primary_addr="127.0.0.1", primary_port=29500)
nlpreg.common.testing.model_test_case
    ModelTestCase.set_up_model(param_file, dataset_file, serialization_dir=None, seed=None)
    ModelTestCase.ensure_model_can_train_save_and_load(param_file, tolerance=1e-4, cuda_device=-1,
        gradients_to_ignore=None, overrides="", metric_to_check=None, metric_terminal_value=None,
        metric_tolerance=1e-4, disable_dropout=True, which_loss="loss", seed=None)
    ModelTestCase.ensure_model_can_train(trainer, gradients_to_ignore=None, metric_to_check=None,
        metric_terminal_value=None, metric_tolerance=1e-4, disable_dropout=True)
    ModelTestCase.assert_fields_equal(field1, field2, name, tolerance=1e-6)
    ModelTestCase.check_model_computes_gradients_correctly(model, model_batch, params_to_ignore=None,
        disable_dropout=True, which_loss="loss")
    ModelTestCase.ensure_batch_predictions_are_consistent(keys_to_ignore=())
    ModelTestCase.test_model_batch_norm_verification()
"""


def test_every_name_can_be_imported_and_called_as_before(
    surface_differences: Callable[[str], list[str]],
) -> None:
    assert surface_differences(SURFACE) == []
