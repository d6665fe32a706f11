"""How good scores are: pure functions of scores, labels and, for every one of them, weights of the rows.

A weight says how often a row counts, so a bootstrap is the same function with other weights: `weights` may have
leading axes (draws × rows) and the result has them too. Where a figure has no meaning (an AUROC without positives)
it is NaN, never a number.
"""

from training.metrics.bootstrap import Interval, Resampling, percentile_interval
from training.metrics.operating import sensitivity, specificity, threshold_at_specificity, youden_threshold
from training.metrics.ranking import MetricError, auroc, average_precision, roc_curve
from training.metrics.reliability import Reliability, expected_calibration_error, log_loss, reliability
from training.metrics.retrieval import own_rank, retrieval_at

__all__ = [
    "Interval",
    "MetricError",
    "Reliability",
    "Resampling",
    "auroc",
    "average_precision",
    "expected_calibration_error",
    "log_loss",
    "own_rank",
    "percentile_interval",
    "reliability",
    "retrieval_at",
    "roc_curve",
    "sensitivity",
    "specificity",
    "threshold_at_specificity",
    "youden_threshold",
]
