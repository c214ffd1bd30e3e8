"""A model and a recipe with all that their trials have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from fer_bench.config.canonical import canonical_recipe
from fer_bench.config.combinations import ModelRecipePair
from fer_bench.datasets.dataset import Dataset
from fer_bench.protocols.fold import Fold
from fer_bench.records.schema import PROCEDURE_VERSIONS, Trial
from fer_bench.registry.architectures import ARCHITECTURES, source_digest
from fer_bench.training.planned_trial import PlannedTrial
from fer_bench.training.weights import InitialWeights


@dataclass(frozen=True)
class Pretrained:
    """The trained model that trials start from.

    Attributes:
        label: The `initial_weights` of those trials.
        summary: The `pretraining` in their recipe, without paths.
        trials: The pretraining trial of each seed.
        model_file: The model file if somebody else trained it.
    """

    label: str
    summary: dict[str, str]
    trials: dict[int, PlannedTrial] = field(default_factory=dict)
    model_file: Path | None = None


@dataclass(frozen=True)
class ResolvedPair:
    """A pair of model and recipe, its initial weights and the backend.

    Attributes:
        pair: The pair.
        weights: The initial weights that were found. With pretraining, those of the pretraining trial.
        backend: The Keras backend.
        pretrained: The trained model that its trials start from; None if there is none.
    """

    pair: ModelRecipePair
    weights: InitialWeights
    backend: str
    pretrained: Pretrained | None = None

    def trial(self, dataset: Dataset, protocol: str, seed: int, number: int, fold: Fold) -> PlannedTrial:
        """Return the trial of a seed and a fold.

        Args:
            dataset: The dataset.
            protocol: Title of the protocol.
            seed: The seed.
            number: Number of the fold, from 0.
            fold: The fold.
        """
        name, start = self.pair.architecture.name, self.pretrained
        before = start.trials.get(seed) if start else None
        trial = Trial(
            architecture=name,
            source_digest=self._source_digest,
            dataset=dataset.name,
            fingerprint=dataset.fingerprint,
            protocol=protocol,
            fold=number,
            recipe_name=self.pair.full_recipe_name,
            recipe=self._recipe,
            initial_weights=start.label if start else self.weights.label,
            seed=seed,
            backend=self.backend,
            procedure_version=PROCEDURE_VERSIONS[self.backend],
        )
        return PlannedTrial(
            trial,
            dataset=dataset,
            fold=fold,
            source_file=ARCHITECTURES.get(name).file,
            weights_file=self.weights.file,
            requires=before.trial if before else None,
            pretrained_file=start.model_file if start else None,
        )

    @cached_property
    def _source_digest(self) -> str:
        return source_digest(self.pair.architecture.name)

    @cached_property
    def _recipe(self) -> dict[str, Any]:
        """The key depends on the weights that were found, not on what was requested ("auto")."""
        recipe = canonical_recipe(self.pair.recipe) | {"initial_weights": self.weights.kind}
        return recipe | {"pretraining": self.pretrained.summary} if self.pretrained else recipe
