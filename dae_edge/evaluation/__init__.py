"""How good is the depth? Any predictor over any dataset, judged by the protocols."""

from dae_edge.evaluation.judging import evaluate
from dae_edge.evaluation.opening import open_predictor
from dae_edge.evaluation.predictors import BundlePredictor, ConstantPredictor, Judged, Predictor
from dae_edge.evaluation.record import Evaluation

__all__ = [
    "BundlePredictor",
    "ConstantPredictor",
    "Evaluation",
    "Judged",
    "Predictor",
    "evaluate",
    "open_predictor",
]
