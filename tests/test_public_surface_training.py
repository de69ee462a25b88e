"""The names, signatures and registrations of `nlpreg.training`, as code written for AllenNLP 2.x uses them."""

from collections.abc import Callable

SURFACE = """
nlpreg.training
    Trainer GradientDescentTrainer NoOpTrainer Checkpointer TrainerCallback
nlpreg.training.trainer
    Trainer(serialization_dir=None, cuda_device=None, distributed=False, local_rank=0, world_size=1)
    Trainer.train()
    Trainer.get_checkpoint_state()
    Trainer.get_best_weights_path()
    TrainerCheckpoint(model_state, trainer_state)
nlpreg.training.gradient_descent_trainer
    DEFAULT_CALLBACKS
    GradientDescentTrainer(model, optimizer, data_loader, patience=None, validation_metric="-loss",
        validation_data_loader=None, num_epochs=20, serialization_dir=None, checkpointer=None, cuda_device=None,
        grad_norm=False, grad_clipping=None, learning_rate_scheduler=None, momentum_scheduler=None,
        moving_average=None, callbacks=None, distributed=False, local_rank=0, world_size=1,
        num_gradient_accumulation_steps=1, use_amp=False, enable_default_callbacks=True,
        run_confidence_checks=True, grad_scaling=True, ddp_wrapped_model=None)
    GradientDescentTrainer.from_partial_objects(model, serialization_dir, data_loader,
        validation_data_loader=None, local_rank=0, patience=None, validation_metric="-loss", num_epochs=20,
        cuda_device=None, grad_norm=False, grad_clipping=None, distributed=False, world_size=1,
        num_gradient_accumulation_steps=1, use_amp=False, no_grad=None, optimizer=...,
        learning_rate_scheduler=None, momentum_scheduler=None, moving_average=None, checkpointer=...,
        callbacks=None, enable_default_callbacks=True, run_confidence_checks=True, grad_scaling=True,
        ddp_accelerator=None, **kwargs)
    GradientDescentTrainer.batch_outputs(batch, for_training)
    GradientDescentTrainer.rescale_gradients()
    GradientDescentTrainer.clip_gradient()
    GradientDescentTrainer.train()
    GradientDescentTrainer.get_checkpoint_state()
    GradientDescentTrainer.get_best_weights_path()
nlpreg.training.no_op_trainer
    NoOpTrainer(serialization_dir, model)
nlpreg.training.metric_tracker
    MetricTracker(metric_name, patience=None)
    MetricTracker.add_metrics(metrics)
    MetricTracker.combined_score(metrics)
    MetricTracker.is_best_so_far()
    MetricTracker.should_stop_early()
    MetricTracker.clear()
    MetricTracker.state_dict()
    MetricTracker.load_state_dict(state_dict)
nlpreg.training.checkpointer
    Checkpointer(serialization_dir, save_completed_epochs=True, save_every_num_seconds=None,
        save_every_num_batches=None, keep_most_recent_by_count=2, keep_most_recent_by_age=None)
    Checkpointer.maybe_save_checkpoint(trainer, num_epochs_completed, num_batches_in_epoch_completed)
    Checkpointer.save_checkpoint(trainer)
    Checkpointer.find_latest_checkpoint()
    Checkpointer.load_checkpoint()
nlpreg.training.callbacks
    TrainerCallback ConsoleLoggerCallback ConfidenceChecksCallback TensorBoardCallback WandBCallback
    TrackEpochCallback ShouldValidateCallback MixedPrecisionBackwardCallback OnBackwardException
nlpreg.training.callbacks.callback
    TrainerCallback(serialization_dir)
    TrainerCallback.on_start(trainer, is_primary=True, **kwargs)
    TrainerCallback.on_backward(trainer, batch_outputs, backward_called, **kwargs)
    TrainerCallback.on_batch(trainer, batch_inputs, batch_outputs, batch_metrics, epoch, batch_number, is_training,
        is_primary=True, batch_grad_norm=None, **kwargs)
    TrainerCallback.on_epoch(trainer, metrics, epoch, is_primary=True, **kwargs)
    TrainerCallback.on_end(trainer, metrics=None, epoch=None, is_primary=True, **kwargs)
    TrainerCallback.state_dict()
    TrainerCallback.load_state_dict(state_dict)
nlpreg.training.callbacks.console_logger
    ConsoleLoggerCallback(serialization_dir, should_log_inputs=True)
nlpreg.training.callbacks.confidence_checks
    ConfidenceChecksCallback(serialization_dir)
    ConfidenceCheckError
nlpreg.training.callbacks.tensorboard
    TensorBoardCallback(serialization_dir, summary_interval=100, distribution_interval=None, batch_size_interval=None,
        should_log_parameter_statistics=False, should_log_learning_rate=False)
nlpreg.training.callbacks.wandb
    WandBCallback(serialization_dir, summary_interval=100, distribution_interval=None, batch_size_interval=None,
        should_log_parameter_statistics=True, should_log_learning_rate=False, project=None, entity=None,
        group=None, name=None, notes=None, tags=None, watch_model=True, files_to_save=("config.json", "out.log"),
        wandb_kwargs=None)
nlpreg.training.callbacks.track_epoch
    TrackEpochCallback(serialization_dir)
nlpreg.training.callbacks.should_validate
    ShouldValidateCallback(serialization_dir, validation_start=None, validation_interval=None)
nlpreg.training.callbacks.backward
    MixedPrecisionBackwardCallback(serialization_dir)
    OnBackwardException(message="")
nlpreg.training.callbacks.log_writer
    LogWriterCallback(serialization_dir, summary_interval=100, distribution_interval=None, batch_size_interval=None,
        should_log_parameter_statistics=True, should_log_learning_rate=False, batch_loss_moving_average_count=100)
    LogWriterCallback.log_scalars(scalars, log_prefix="", epoch=None)
    LogWriterCallback.log_tensors(tensors, log_prefix="", epoch=None)
    LogWriterCallback.log_inputs(inputs, log_prefix="")
    LogWriterCallback.close()
    LogWriterCallback.log_batch(batch_grad_norm, metrics, batch_group, param_updates, batch_number)
    LogWriterCallback.log_epoch(train_metrics, val_metrics, epoch)
nlpreg.training.scheduler
    Scheduler(optimizer, param_group_field, last_epoch=-1)
    Scheduler.step(metric=None)
    Scheduler.step_batch(batch_num_total=None)
    Scheduler.get_values()
    Scheduler.state_dict()
    Scheduler.load_state_dict(state_dict)
nlpreg.training.moving_average
    NamedParameter
    MovingAverage(parameters)
    MovingAverage.apply(num_updates=None)
    MovingAverage.assign_average_value()
    MovingAverage.restore()
    MovingAverage.state_dict()
    MovingAverage.load_state_dict(state_dict)
    ExponentialMovingAverage(parameters, decay=0.9999, numerator=1.0, denominator=10.0)
nlpreg.training.optimizers
    ParameterGroupsType
    Optimizer.default(model_parameters)
    make_parameter_groups(model_parameters, groups=None)
    AdamOptimizer(model_parameters, parameter_groups=None, lr=0.001, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0,
        amsgrad=False)
    SparseAdamOptimizer(model_parameters, parameter_groups=None, lr=0.001, betas=(0.9, 0.999), eps=1e-8)
    AdamaxOptimizer(model_parameters, parameter_groups=None, lr=0.002, betas=(0.9, 0.999), eps=1e-8,
        weight_decay=0.0)
    AdamWOptimizer(model_parameters, parameter_groups=None, lr=0.001, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01,
        amsgrad=False)
    HuggingfaceAdamWOptimizer(model_parameters, parameter_groups=None, lr=1e-5, betas=(0.9, 0.999), eps=1e-8,
        weight_decay=0.0, correct_bias=True)
    HuggingfaceAdafactor(model_parameters, parameter_groups=None, lr=None, eps=(1e-30, 1e-3), clip_threshold=1.0,
        decay_rate=-0.8, beta1=None, weight_decay=0.0, scale_parameter=True, relative_step=True, warmup_init=False)
    AdagradOptimizer(model_parameters, parameter_groups=None, lr=0.01, lr_decay=0.0, weight_decay=0.0,
        initial_accumulator_value=0.0, eps=1e-10)
    AdadeltaOptimizer(model_parameters, parameter_groups=None, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0.0)
    SgdOptimizer(model_parameters, lr, parameter_groups=None, momentum=0.0, dampening=0, weight_decay=0.0,
        nesterov=False)
    RmsPropOptimizer(model_parameters, parameter_groups=None, lr=0.01, alpha=0.99, eps=1e-8, weight_decay=0.0,
        momentum=0.0, centered=False)
    AveragedSgdOptimizer(model_parameters, parameter_groups=None, lr=0.01, lambd=0.0001, alpha=0.75, t0=1e6,
        weight_decay=0.0)
    DenseSparseAdam(model_parameters, parameter_groups=None, lr=1e-3, betas=(0.9, 0.999), eps=1e-8)
    MultiOptimizer(model_parameters, optimizers, parameter_groups)
nlpreg.training.learning_rate_schedulers
    LearningRateScheduler(optimizer, last_epoch=-1)
    ConstantLearningRateScheduler(optimizer, last_epoch=-1)
    ConstantWithWarmupLearningRateScheduler(optimizer, num_warmup_steps, last_epoch=-1)
    CosineWithWarmupLearningRateScheduler(optimizer, num_warmup_steps, num_training_steps, num_cycles=0.5,
        last_epoch=-1)
    CosineHardRestartsWithWarmupLearningRateScheduler(optimizer, num_warmup_steps, num_training_steps, num_cycles=1,
        last_epoch=-1)
    StepLearningRateScheduler(optimizer, step_size, gamma=0.1, last_epoch=-1)
    MultiStepLearningRateScheduler(optimizer, milestones, gamma=0.1, last_epoch=-1)
    ExponentialLearningRateScheduler(optimizer, gamma=0.1, last_epoch=-1)
    ReduceOnPlateauLearningRateScheduler(optimizer, mode=..., factor=0.1, patience=10, verbose=False,
        threshold_mode="rel", threshold=1e-4, cooldown=0, min_lr=0, eps=1e-8)
    CombinedLearningRateScheduler(optimizer, schedulers, num_steps_per_epoch=None, last_epoch=-1)
    CosineWithRestarts(optimizer, t_initial, t_mul=1.0, eta_min=0.0, eta_mul=1.0, last_epoch=-1)
    NoamLR(optimizer, model_size, warmup_steps, factor=1.0, last_epoch=-1)
    SlantedTriangular(optimizer, num_epochs, num_steps_per_epoch=None, cut_frac=0.1, ratio=32, last_epoch=-1,
        gradual_unfreezing=False, discriminative_fine_tuning=False, decay_factor=0.38)
    PolynomialDecay(optimizer, num_epochs, num_steps_per_epoch, power=1.0, warmup_steps=0, end_learning_rate=0.0,
        last_epoch=-1)
    LinearWithWarmup(optimizer, num_epochs, num_steps_per_epoch, warmup_steps=100, last_epoch=-1)
nlpreg.training.learning_rate_schedulers.learning_rate_scheduler
    LearningRateScheduler
nlpreg.training.learning_rate_schedulers.pytorch_lr_schedulers
    ConstantLearningRateScheduler ConstantWithWarmupLearningRateScheduler CosineWithWarmupLearningRateScheduler
    CosineHardRestartsWithWarmupLearningRateScheduler StepLearningRateScheduler MultiStepLearningRateScheduler
    ExponentialLearningRateScheduler ReduceOnPlateauLearningRateScheduler
nlpreg.training.learning_rate_schedulers.combined
    CombinedLearningRateScheduler
nlpreg.training.learning_rate_schedulers.cosine
    CosineWithRestarts
nlpreg.training.learning_rate_schedulers.noam
    NoamLR
nlpreg.training.learning_rate_schedulers.slanted_triangular
    SlantedTriangular
nlpreg.training.learning_rate_schedulers.polynomial_decay
    PolynomialDecay
nlpreg.training.learning_rate_schedulers.linear_with_warmup
    LinearWithWarmup
nlpreg.training.momentum_schedulers
    MomentumScheduler(optimizer, last_epoch=-1)
    InvertedTriangular(optimizer, cool_down, warm_up, ratio=10, last_epoch=-1)
nlpreg.training.momentum_schedulers.momentum_scheduler
    MomentumScheduler
nlpreg.training.momentum_schedulers.inverted_triangular
    InvertedTriangular
nlpreg.training.util
    get_metrics(model, total_loss, total_reg_loss, batch_loss, batch_reg_loss, num_batches, reset=False)
    description_from_metrics(metrics)
    get_train_and_validation_metrics(metrics)
    evaluate(model, data_loader, cuda_device=-1, batch_weight_key=None, output_file=None,
        predictions_output_file=None)
    create_serialization_dir(params, serialization_dir, recover, force)
    data_loaders_from_params(params, train=True, validation=True, test=True, serialization_dir=None)
    make_vocab_from_params(params, serialization_dir, print_statistics=False)
    move_optimizer_to_cuda(optimizer)
    get_batch_size(batch)
    time_to_str(timestamp)
    str_to_time(time_str)
    enable_gradient_clipping(model, grad_clipping)
    rescale_gradients(model, grad_norm=None)
    ngrams(tensor, ngram_size, exclude_indices)
    get_valid_tokens_mask(tensor, exclude_indices)
    HasBeenWarned.tqdm_ignores_underscores
nlpreg.training.metrics
    DEFAULT_EVALB_DIR
    Metric.__call__
    Metric.get_metric(reset)
    Metric.reset()
    Metric.detach_tensors(*tensors)
    Metric.supports_distributed
    Average()
    Average.get_metric(reset=False)
    Perplexity()
    CategoricalAccuracy(top_k=1, tie_break=False)
    CategoricalAccuracy.__call__(predictions, gold_labels, mask=None)
    CategoricalAccuracy.get_metric(reset=False)
    BooleanAccuracy()
    BooleanAccuracy.__call__(predictions, gold_labels, mask=None)
    SequenceAccuracy()
    SequenceAccuracy.__call__(predictions, gold_labels, mask=None)
    FBetaMeasure(beta=1.0, average=None, labels=None)
    FBetaMeasure.__call__(predictions, gold_labels, mask=None)
    F1Measure(positive_label)
    FBetaVerboseMeasure(beta=1.0, labels=None, index_to_label=None)
    FBetaMultiLabelMeasure(beta=1.0, average=None, labels=None, threshold=0.5)
    F1MultiLabelMeasure(average=None, labels=None, threshold=0.5)
    SpanBasedF1Measure(vocabulary, tag_namespace="tags", ignore_classes=None, label_encoding="BIO",
        tags_to_spans_function=None)
    SpanBasedF1Measure.__call__(predictions, gold_labels, mask=None, prediction_map=None)
    AttachmentScores(ignore_classes=None)
    AttachmentScores.__call__(predicted_indices, predicted_labels, gold_indices, gold_labels, mask=None)
    Auc(positive_label=1)
    Auc.__call__(predictions, gold_labels, mask=None)
    Entropy()
    Entropy.__call__(logits, mask=None)
    MeanAbsoluteError()
    MeanAbsoluteError.__call__(predictions, gold_labels, mask=None)
    Covariance()
    Covariance.__call__(predictions, gold_labels, mask=None)
    PearsonCorrelation()
    PearsonCorrelation.__call__(predictions, gold_labels, mask=None)
    SpearmanCorrelation()
    SpearmanCorrelation.__call__(predictions, gold_labels, mask=None)
    UnigramRecall()
    UnigramRecall.__call__(predictions, gold_labels, mask=None, end_index=...)
    BLEU(ngram_weights=(0.25, 0.25, 0.25, 0.25), exclude_indices=None)
    BLEU.__call__(predictions, gold_targets, mask=None)
    ROUGE(ngram_size=2, exclude_indices=None)
    ROUGE.__call__(predictions, gold_targets)
    EvalbBracketingScorer(evalb_directory_path=..., evalb_param_filename="COLLINS.prm",
        evalb_num_errors_to_kill=10)
    EvalbBracketingScorer.__call__(predicted_trees, gold_trees)
    EvalbBracketingScorer.compile_evalb
    EvalbBracketingScorer.clean_evalb
nlpreg.training.metrics.metric
    Metric
nlpreg.training.metrics.average
    Average
nlpreg.training.metrics.perplexity
    Perplexity
nlpreg.training.metrics.categorical_accuracy
    CategoricalAccuracy
nlpreg.training.metrics.boolean_accuracy
    BooleanAccuracy
nlpreg.training.metrics.sequence_accuracy
    SequenceAccuracy
nlpreg.training.metrics.fbeta_measure
    FBetaMeasure
nlpreg.training.metrics.f1_measure
    F1Measure
nlpreg.training.metrics.fbeta_verbose_measure
    FBetaVerboseMeasure
nlpreg.training.metrics.fbeta_multi_label_measure
    FBetaMultiLabelMeasure F1MultiLabelMeasure
nlpreg.training.metrics.span_based_f1_measure
    SpanBasedF1Measure
nlpreg.training.metrics.attachment_scores
    AttachmentScores
nlpreg.training.metrics.auc
    Auc
nlpreg.training.metrics.entropy
    Entropy
nlpreg.training.metrics.mean_absolute_error
    MeanAbsoluteError
nlpreg.training.metrics.covariance
    Covariance
nlpreg.training.metrics.pearson_correlation
    PearsonCorrelation
nlpreg.training.metrics.spearman_correlation
    SpearmanCorrelation
nlpreg.training.metrics.unigram_recall
    UnigramRecall
nlpreg.training.metrics.bleu
    BLEU
nlpreg.training.metrics.rouge
    ROUGE
nlpreg.training.metrics.evalb_bracketing_scorer
    EvalbBracketingScorer DEFAULT_EVALB_DIR
nlpreg.confidence_checks.normalization_bias_verification
    NormalizationBiasVerification(model)
    NormalizationBiasVerification.check(inputs)
    NormalizationBiasVerification.register_hooks()
    NormalizationBiasVerification.destroy_hooks()
    NormalizationBiasVerification.collect_detections()
    NormalizationBiasVerification.detected_pairs
nlpreg.nn.parallel
    FairScaleFsdpAccelerator
"""
"""Modules, what is imported from each, and how it is called."""

REGISTERED = """
nlpreg.training.Trainer gradient_descent: gradient_descent no_op
nlpreg.training.Checkpointer default: default
nlpreg.training.TrainerCallback -: null console_logger confidence_checks sanity_checks tensorboard wandb
    track_epoch_callback should_validate_callback mixed_precision_backward
nlpreg.training.optimizers.Optimizer adam: adam multi sparse_adam adamax adamw huggingface_adamw huggingface_adafactor
    adagrad adadelta sgd rmsprop averaged_sgd dense_sparse_adam
nlpreg.training.learning_rate_schedulers.LearningRateScheduler -: constant constant_with_warmup cosine_with_warmup
    cosine_hard_restarts_with_warmup step multi_step exponential reduce_on_plateau noam slanted_triangular
    polynomial_decay linear_with_warmup cosine combined
nlpreg.training.momentum_schedulers.MomentumScheduler -: inverted_triangular
nlpreg.training.moving_average.MovingAverage exponential: exponential
nlpreg.training.metrics.Metric -: average perplexity categorical_accuracy boolean_accuracy sequence_accuracy fbeta f1
    fbeta_verbose fbeta_multi_label f1_multi_label span_f1 attachment_scores auc entropy mean_absolute_error covariance
    pearson_correlation spearman_correlation unigram_recall bleu rouge evalb
nlpreg.nn.parallel.DdpAccelerator torch: torch fairscale_fsdp
"""
"""Each base with its default (`-` for none) and the registered names."""


def test_names_and_signatures(surface_differences: Callable[[str], list[str]]) -> None:
    assert surface_differences(SURFACE) == []


def test_registered_names(registry_differences: Callable[[str], list[str]]) -> None:
    assert registry_differences(REGISTERED) == []
