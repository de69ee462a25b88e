"""Faults that users reported, each with the tests of its right value and of its kind."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
EVERY_ANSWER = "predictors/test_every_predictor.py::test_an_answer_is_the_same_alone_and_in_any_batch"
LENGTHS = "modules/test_lengths_and_masks.py::"
READERS = "data/dataset_readers/test_text_file_reader.py::"

REPORTS: dict[str, list[str]] = {
    "01 --force deletes data": [
        "training/test_serialization_dir.py::test_force_refuses_the_working_folder_and_those_above_it",
        "training/test_serialization_dir.py::test_force_refuses_a_folder_that_holds_what_the_run_needs",
        "training/test_serialization_dir.py::test_force_refuses_a_folder_that_holds_the_config",
        "training/test_serialization_dir.py::test_force_refuses_what_is_no_run",
        "training/test_serialization_dir.py::test_force_leaves_what_no_run_writes",
        "training/test_serialization_dir.py::test_force_works_through_a_link",
        "commands/train/test_command.py::test_nothing_is_deleted_for_a_wrong_config",
        "commands/train/test_command.py::test_nothing_is_deleted_for_what_a_first_batch_shows",
    ],
    "02 more tags than words": [
        "predictors/test_every_predictor.py::test_a_tagger_gives_as_many_tags_as_words",
        EVERY_ANSWER,
    ],
    "03 BMES with O": [
        "modules/conditional_random_field/test_conditional_random_field.py::test_tables",
        "modules/conditional_random_field/test_conditional_random_field.py::test_what_the_constraints_allow",
    ],
    "04 ill-formed predictions in BIOUL": [
        "training/metrics/test_span_based_f1_measure.py::test_ill_formed_predictions_of_bioul_are_wrong",
        "training/metrics/test_span_based_f1_measure.py::test_ill_formed_gold_of_bioul_is_an_error_with_advice",
    ],
    "05 a bidirectional language model sees its targets": [
        "commands/check/test_language_model_check.py::test_a_contextualizer_that_peeks",
        "models/test_peeking.py::test_every_registered_encoder_is_judged_as_its_gradients_judge_it",
        "models/test_peeking.py::test_a_model_is_tested_before_training_unless_told_otherwise",
    ],
    "06 state carries over between inputs": [EVERY_ANSWER],
    "07 a text shorter than a filter": [
        LENGTHS + "test_vector_encoders_take_rows_of_any_length",
        EVERY_ANSWER,
    ],
    "08 an empty text": [
        LENGTHS + "test_vector_encoders_take_rows_of_any_length",
        LENGTHS + "test_sequence_encoders_take_rows_of_any_length",
        LENGTHS + "test_span_extractors_take_short_texts_and_no_spans",
        LENGTHS + "test_attentions_take_any_number_of_rows",
        EVERY_ANSWER,
    ],
    "09 characters of an empty sentence": [
        LENGTHS + "test_token_embedders_take_short_texts",
        LENGTHS + "test_pretrained_transformers_take_short_texts",
        LENGTHS + "test_elmo_takes_short_texts",
    ],
    "11 predictions of evaluate in another order": [
        "commands/test_evaluate.py::test_predictions_come_in_the_order_of_the_input",
        "commands/test_predict.py::test_answers_come_in_the_order_of_the_input_whatever_the_lengths",
    ],
    "12 null where a default stands": [
        "common/config/test_every_argument.py::test_null_is_an_error_where_it_is_not_allowed"
    ],
    "13 a new label in fine-tuning": [
        "models/test_new_labels.py::test_every_model_refuses_labels_that_it_was_not_made_for",
        "models/test_new_labels.py::test_a_new_label_is_an_error_unless_the_output_layer_is_to_be_extended",
        "models/test_new_labels.py::test_the_archive_of_a_fine_tuned_model_stands_alone",
    ],
    "15 half a surrogate pair": [READERS + "test_half_a_surrogate_pair_is_a_bad_line"],
    "16 a no-break space inside a word": [
        READERS + "test_only_spaces_and_tabs_separate",
        READERS + "test_where_there_are_tabs_they_separate",
    ],
    "18 bad numbers in word vectors": [
        "modules/token_embedders/test_embedding.py::test_a_bad_number_is_named_with_its_line",
        "common/test_embeddings_file.py::test_a_byte_order_mark_and_bytes_that_are_no_text",
        "common/test_embeddings_file.py::test_a_damaged_file_is_named",
    ],
    "19 patterns that match nothing": [
        "training/test_gradient_descent_trainer.py::test_patterns_that_match_nothing_are_named",
        "nn/regularizers/test_regularizer_applicator.py::test_a_pattern_that_finds_nothing_is_refused",
        "nn/test_initializers.py::test_patterns_that_nothing_matches_are_reported",
        "training/optimizers/test_optimizer.py::test_a_pattern_that_matches_nothing",
        "data/test_vocabulary.py::test_a_limit_for_a_namespace_that_the_data_lack_is_told",
    ],
    "20 perplexity overflows": [
        "predictors/test_language_model.py::test_a_perplexity_too_large_for_a_number_is_infinity",
        "predictors/test_language_model.py::test_there_is_no_perplexity_of_nothing",
        "training/metrics/test_perplexity.py::test_a_huge_loss_is_infinite_perplexity",
    ],
    "22 characters in the table of words": [
        "commands/check/test_name_check.py::test_characters_in_the_table_of_words",
        "commands/check/test_name_check.py::test_the_archive_records_the_namespace_of_the_characters",
        "commands/train/test_command.py::test_a_run_of_before_namespaces_were_filled_in_goes_on",
    ],
    "23 a text longer than a transformer takes": [
        LENGTHS + "test_a_text_longer_than_a_transformer_takes",
        "commands/check/test_name_check.py::test_lengths_of_segments",
        "common/test_cached_transformers.py::test_a_folder_that_has_moved",
    ],
    "26 a short word under a wide filter": [LENGTHS + "test_a_word_has_the_same_vector_beside_any_others"],
    "27 untagged CoNLL-U": [
        "commands/test_predict.py::test_untagged_conllu_is_tagged_by_the_reader",
        "commands/test_predict.py::test_conllu_keeps_all_but_its_tags",
    ],
    "28 labels that contradict label_encoding": [
        "models/test_crf_tagger.py::test_gold_tags_that_the_encoding_does_not_allow_are_said_once"
    ],
    "29 more epochs with --recover": [
        "training/test_serialization_dir.py::test_what_changes_neither_data_nor_weights_may_differ",
        "training/test_run.py::test_a_finished_run_goes_on_for_more_epochs",
    ],
    "30 a loss that depends on the batch size": [
        "models/test_batch_weights.py::test_the_loss_of_an_evaluation_does_not_depend_on_the_batches",
        "models/test_batch_weights.py::test_several_batches_are_one_large_batch",
    ],
    "31 Infinity in JSON": [
        "training/test_metrics_log.py::test_metrics_that_are_not_finite_are_strings",
        "common/test_sanitize.py::test_json_has_no_numbers_that_are_not_finite",
        "evaluation/serializers/test_serializers.py::test_numbers_that_are_not_finite_stay_valid_json",
    ],
    "32 padding among the tokens of an answer": [EVERY_ANSWER],
    "33 sparse gradients and an optimizer that takes none": [
        "commands/check/test_language_model_check.py::test_sparse_gradients_with_an_optimizer_that_takes_none",
        "training/optimizers/test_every_optimizer.py::test_sparse_gradients_are_used_or_refused_by_name",
    ],
    "35 Path and int annotations": ["common/test_from_params.py::test_values_that_fit"],
}


@pytest.mark.parametrize("report", REPORTS)
def test_its_tests_exist(report: str) -> None:
    for test in REPORTS[report]:
        file, _, function = test.partition("::")
        tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, test
