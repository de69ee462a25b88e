"""The names, signatures and options of models, archives, predictors, evaluation and commands, as in AllenNLP 2.x."""

import argparse
import ast
from collections.abc import Callable

import pytest

from nlpreg.commands import parse_args

SURFACE = """
nlpreg
    __version__
nlpreg.version
    VERSION
nlpreg.__main__
    run()
nlpreg.models
    Model archive_model load_archive Archive BasicClassifier MultiTaskModel SimpleTagger Head ClassifierHead
nlpreg.models.model
    remove_weights_related_keys_from_params(params, keys=...)
    remove_pretrained_embedding_params(params)
    Model(vocab, regularizer=None, serialization_dir=None, ddp_accelerator=None)
    Model.default_predictor
    Model.forward
    Model.forward_on_instance(instance)
    Model.forward_on_instances(instances)
    Model.make_output_human_readable(output_dict)
    Model.get_metrics(reset=False)
    Model.get_regularization_penalty()
    Model.get_parameters_for_histogram_logging()
    Model.get_parameters_for_histogram_tensorboard_logging()
    Model.extend_embedder_vocab(embedding_sources_mapping=None)
    Model.load(config, serialization_dir, weights_file=None, cuda_device=-1)
    Model._load(config, serialization_dir, weights_file=None, cuda_device=-1)
    Model.from_archive(archive_file, vocab=None)
    Model._get_prediction_device()
nlpreg.models.archival
    CONFIG_NAME META_NAME
    archive_model(serialization_dir, weights=..., archive_path=None, include_in_archive=None)
    verify_include_in_archive(include_in_archive=None)
    load_archive(archive_file, cuda_device=-1, overrides="", weights_file=None)
    get_weights_path(serialization_dir)
    extracted_archive(resolved_archive_file, cleanup=True)
    Archive(model, config, dataset_reader, validation_dataset_reader, meta)
    Archive.extract_module(path, freeze=True)
nlpreg.common.meta
    META_NAME
    Meta(version)
    Meta.new()
    Meta.to_file(path)
    Meta.from_path(path)
nlpreg.models.basic_classifier
    BasicClassifier(vocab, text_field_embedder, seq2vec_encoder, seq2seq_encoder=None, feedforward=None, dropout=None,
        num_labels=None, label_namespace="labels", namespace="tokens", initializer=...)
    BasicClassifier.forward(tokens, label=None, metadata=None)
nlpreg.models.simple_tagger
    SimpleTagger(vocab, text_field_embedder, encoder, calculate_span_f1=None, label_encoding=None,
        label_namespace="labels", verbose_metrics=False, initializer=...)
    SimpleTagger.forward(tokens, tags=None, metadata=None, ignore_loss_on_o_tags=False)
nlpreg.models.multitask
    MultiTaskModel(vocab, backbone, heads, *, loss_weights=None, arg_name_mapping=None, allowed_arguments=None,
        initializer=...)
nlpreg.models.heads
    Head ClassifierHead
nlpreg.models.heads.head
    Head
nlpreg.models.heads.classifier_head
    ClassifierHead(vocab, seq2vec_encoder, feedforward=None, input_dim=None, dropout=None, num_labels=None,
        label_namespace="labels")
    ClassifierHead.forward(encoded_text, encoded_text_mask, label=None)
nlpreg.predictors
    Predictor SentenceTaggerPredictor TextClassifierPredictor MultiTaskPredictor
nlpreg.predictors.predictor
    Predictor(model, dataset_reader, frozen=True)
    Predictor.load_line(line)
    Predictor.dump_line(outputs)
    Predictor.predict_json(inputs)
    Predictor.predict_instance(instance)
    Predictor.predict_batch_json(inputs)
    Predictor.predict_batch_instance(instances)
    Predictor._json_to_instance(json_dict)
    Predictor._batch_json_to_instances(json_dicts)
    Predictor.json_to_labeled_instances(inputs)
    Predictor.predictions_to_labeled_instances(instance, outputs)
    Predictor.get_gradients(instances)
    Predictor.get_interpretable_layer()
    Predictor.get_interpretable_text_field_embedder()
    Predictor.capture_model_internals(module_regex=".*")
    Predictor.from_path(archive_path, predictor_name=None, cuda_device=-1, dataset_reader_to_load="validation",
        frozen=True, import_plugins=True, overrides="", **kwargs)
    Predictor.from_archive(archive, predictor_name=None, dataset_reader_to_load="validation", frozen=True,
        extra_args=None)
nlpreg.predictors.text_classifier
    TextClassifierPredictor.predict(sentence)
nlpreg.predictors.sentence_tagger
    SentenceTaggerPredictor(model, dataset_reader, language="en_core_web_sm")
    SentenceTaggerPredictor.predict(sentence)
nlpreg.predictors.multitask
    MultiTaskPredictor(model, dataset_reader)
nlpreg.evaluation
    Evaluator SimpleEvaluator Serializer
nlpreg.evaluation.evaluator
    Evaluator(batch_serializer=None, cuda_device=-1, postprocessor_fn_name="make_output_human_readable")
    Evaluator.__call__(model, data_loader, batch_weight_key=None, metrics_output_file=None,
        predictions_output_file=None)
    SimpleEvaluator(batch_serializer=None, cuda_device=-1, postprocessor_fn_name="make_output_human_readable")
nlpreg.evaluation.serializers
    SimpleSerializer Serializer
nlpreg.evaluation.serializers.serializers
    Serializer.__call__(batch, output_dict, data_loader, output_postprocess_function=None)
    SimpleSerializer.__call__(batch, output_dict, data_loader, output_postprocess_function=None)
nlpreg.commands
    main(prog=None)
    parse_args(prog=None)
    ArgumentParserWithDefaults
    Train Evaluate Predict BuildVocab FindLearningRate PrintResults TestInstall CachedPath Diff CountInstances
    CheckList PushToHf Subcommand
nlpreg.commands.subcommand
    Subcommand.requires_plugins Subcommand.name
    Subcommand.add_subparser(parser)
    Subcommand.register(name, constructor=None, exist_ok=False)
nlpreg.commands.train
    Train
    train_model_from_args(args)
    train_model_from_file(parameter_filename, serialization_dir, overrides="", recover=False, force=False, node_rank=0,
        include_package=None, dry_run=False, file_friendly_logging=False, return_model=None)
    train_model(params, serialization_dir, recover=False, force=False, node_rank=0, include_package=None,
        dry_run=False, file_friendly_logging=False, return_model=None)
    TrainModel(serialization_dir, model, trainer, evaluation_data_loader=None, evaluate_on_test=False,
        batch_weight_key="")
    TrainModel.run()
    TrainModel.finish(metrics)
    TrainModel.from_partial_objects(serialization_dir, local_rank, dataset_reader, train_data_path, model, data_loader,
        trainer, vocabulary=..., datasets_for_vocab_creation=None, validation_dataset_reader=None,
        validation_data_path=None, validation_data_loader=None, test_data_path=None, evaluate_on_test=False,
        batch_weight_key="", ddp_accelerator=None)
nlpreg.commands.evaluate
    Evaluate
    evaluate_from_args(args)
    evaluate_from_archive(archive_file, input_file, metrics_output_file=None, predictions_output_file=None,
        batch_size=None, cmd_overrides="", cuda_device=-1, embedding_sources_mapping=None, extend_vocab=False,
        weights_file=None, file_friendly_logging=False, batch_weight_key=None, auto_names="NONE")
nlpreg.commands.predict
    Predict
nlpreg.commands.build_vocab
    BuildVocab
    build_vocab_from_args(args)
nlpreg.commands.count_instances
    CountInstances
    count_instances_from_args(args)
nlpreg.commands.print_results
    PrintResults
    print_results_from_args(args)
nlpreg.commands.find_learning_rate
    FindLearningRate
    find_learning_rate_from_args(args)
    find_learning_rate_model(params, serialization_dir, start_lr=1e-5, end_lr=10, num_batches=100, linear_steps=False,
        stopping_factor=None, force=False)
    search_learning_rate(trainer, start_lr=1e-5, end_lr=10, num_batches=100, linear_steps=False, stopping_factor=None)
nlpreg.commands.diff
    Diff
    Keep(key, shape)
    Insert(key, shape)
    Remove(key, shape)
    Modify(key, shape, distance)
    Keep.display()
    checkpoint_diff(state_dict_a, state_dict_b, scale, threshold)
nlpreg.commands.cached_path
    CachedPath
nlpreg.commands.checklist
    CheckList
nlpreg.commands.push_to_hf
    PushToHf
nlpreg.commands.test_install
    TestInstall
nlpreg.common.plugins
    import_plugins()
    discover_plugins()
"""
"""Modules, what is imported from each, and how it is called."""

REGISTERED = """
nlpreg.models.Model -: basic_classifier simple_tagger multitask from_archive
nlpreg.models.Head -: classifier
nlpreg.predictors.Predictor -: text_classifier sentence_tagger multitask
nlpreg.evaluation.Evaluator simple: simple
nlpreg.evaluation.Serializer simple: simple
nlpreg.commands.train.TrainModel default: default
nlpreg.commands.Subcommand -: train evaluate predict build-vocab find-lr print-results test-install cached-path diff
    count-instances checklist push-to-hf
"""
"""Each base with its default (`-` for none) and the registered names."""


def test_names_and_signatures(surface_differences: Callable[[str], list[str]]) -> None:
    assert surface_differences(SURFACE) == []


def test_registered_names(registry_differences: Callable[[str], list[str]]) -> None:
    assert registry_differences(REGISTERED) == []


OPTIONS = {
    "train": "param_path -s/--serialization-dir -r/--recover=False -f/--force=False -o/--overrides='' --node-rank=0 "
    "--dry-run=False --file-friendly-logging=False --include-package=[]",
    "evaluate": "archive_file input_file --output-file=None --predictions-output-file=None --weights-file=None "
    "--cuda-device=-1 -o/--overrides='' --batch-size=None --batch-weight-key='' --extend-vocab=False "
    "--embedding-sources-mapping='' --auto-names='NONE' --file-friendly-logging=False --include-package=[]",
    "predict": "archive_file input_file --output-file=None --weights-file=None --batch-size=None --silent=False "
    "--cuda-device=-1 --use-dataset-reader=False --dataset-reader-choice='validation' --multitask-head=None "
    "-o/--overrides='' --predictor=None --predictor-args='' --file-friendly-logging=False --include-package=[]",
    "build-vocab": "param_path output_path -f/--force=False -o/--overrides='' --include-package=[]",
    "count-instances": "param_path -o/--overrides='' --include-package=[]",
    "find-lr": "param_path -s/--serialization-dir -o/--overrides='' --start-lr=1e-05 --end-lr=10 --num-batches=100 "
    "--stopping-factor=None --linear=False -f/--force=False --file-friendly-logging=False --include-package=[]",
    "print-results": "path -k/--keys -m/--metrics-filename='metrics.json'",
    "test-install": "",
    "cached-path": "resources -d/--cache-dir -x/--extract-archive=False -f/--force-extract=False --inspect=False "
    "--remove=False",
    "diff": "checkpoint1 checkpoint2 --strip-prefix-1=None --strip-prefix-2=None --scale=1.0 --threshold=1e-05",
    "checklist": "archive_file task",
    "push-to-hf": "-n/--repo-name -s/--serialization-dir -a/--archive-path=None -o/--organization=None "
    "-c/--commit-message -l/--local-repo-path",
}
"""Arguments of each command, with the defaults of the options."""


@pytest.mark.parametrize("command", OPTIONS)
def test_command_lines(command: str) -> None:
    words = [word.partition("=") for word in OPTIONS[command].split()]
    given = [command]
    for names, has_default, _ in words:
        if not has_default:
            given += [names.split("/")[-1], "x"] if names.startswith("-") else ["x"]
    parser, namespace = parse_args("nlpreg", given)
    (group,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    actions = {
        name: action
        for action in group.choices[command]._actions
        for name in (action.option_strings or [action.dest])
    }
    for names, has_default, default in words:
        for name in names.split("/"):
            assert name in actions
        if has_default:
            assert getattr(namespace, actions[name].dest) == ast.literal_eval(default), names
