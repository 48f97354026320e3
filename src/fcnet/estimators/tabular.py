"""Estimators for tables, from data frames and arrays as they are."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import msgspec
import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, _check_y, check_consistent_length, check_is_fitted

from fcnet.errors import InputError, SettingError
from fcnet.estimators.advice import no_better
from fcnet.estimators.callbacks import PrintLoss
from fcnet.estimators.holdout import validation_folds
from fcnet.estimators.labels import rows_that_count
from fcnet.estimators.solvers import Watch
from fcnet.estimators.table_advice import about_table
from fcnet.estimators.table_rows import Rows, read_again, read_rows
from fcnet.estimators.tabular_settings import Parts
from fcnet.estimators.together import Training, Until, held_out, together, train_all
from fcnet.model import Model
from fcnet.nn.loss import HALF
from fcnet.nn.losses import get_loss
from fcnet.preprocessing import TableFeatures
from fcnet.threads import use_threads
from fcnet.training.callbacks import Callback
from fcnet.training.finish import Finished, Part, finish
from fcnet.training.importance import REPEATS, Importance, permutation_importance
from fcnet.training.metrics import AUTO, get_metric
from fcnet.training.tabular import TabularTraining
from fcnet.training.target_scale import TargetScale, bring_to_units
from fcnet.training.threshold import check_threshold, threshold_for
from fcnet.types import Array, is_frame

FEWEST_ROWS = 40  # of which some are set aside

Fold = tuple[Rows, Rows | None]  # to train on, and to validate on


@dataclass(frozen=True)
class Trained:
    """A model, and how the trainings of its networks went."""

    model: Model
    trainings: Sequence[Training]
    finished: Sequence[Finished]  # of each fold
    problems: Sequence[Warning]


class TabularEstimator(BaseEstimator, ABC):
    """The training of a `TabularNet` on a table; subclasses know their targets."""

    _y_checks: ClassVar[dict[str, Any]]

    # What the subclasses say about their targets.

    @abstractmethod
    def _read_targets(self, y: Array, *, first: bool) -> Array:
        """Learn what `y` holds if this is the first time, else compare; return it as the network's loss wants it."""

    @abstractmethod
    def _loss_name(self) -> str: ...

    @abstractmethod
    def _outputs(self, targets: Array) -> list[str]:
        """Return what each output of the network is called."""

    def _class_weights(self, y: Array, targets: Array, *, first: bool) -> Array | None:
        """Return what the class of each row counts, which is learnt of all rows to fit the first time."""
        return None

    def _stratify(self, targets: Array) -> Array | None:
        """Return the class of each row, by which the validation rows are chosen."""
        return None

    def _scale_of(self, rows: Rows, dtype: str) -> TargetScale | None:
        """Return the scale that targets are trained in, if it is another than their own."""
        return None

    # Fitting.

    def fit(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None, X_val: Any = None, y_val: ArrayLike | None = None
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : data frame of pandas, polars or pyarrow, or array (n, n_features)
            Gaps may be anywhere. Of a data frame numbers, dates and categories (text, booleans and the type category) are told
            apart by the types of the columns.
        y : array (n,) or (n, n_outputs)
        sample_weight : array (n,), optional
            How much each row counts; rows of weight zero are left out.
        X_val, y_val : like X and y, optional
            Rows to validate on, in the place of those that would be set aside. Each counts what its class does in training, and
            has no weight of its own, while rows that are set aside keep their `sample_weight`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is out of range, the rows do not fit one another, or a column holds text that is no category.
        ArithmeticError
            If the training diverges.
        """
        settings = self._settings()
        training = settings.training
        self._by_name = is_frame(X)
        X, y = read_rows(self, X, y, **self._y_checks)
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        rows = self._rows(X, y, weights, first=True)
        kept = rows_that_count(len(rows.y), rows.weights)
        rows = rows if len(kept) == len(rows.y) else rows[kept]
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31 - 1))
        loss = get_loss(self._loss_name())
        get_metric(training.metric, loss)  # is refused now, if the loss does not have it
        if (X_val is None) != (y_val is None):
            raise InputError("X_val and y_val go together: give both or neither.")
        if X_val is not None and training.refit:
            raise InputError("refit is for rows that fit itself has set aside: leave out X_val and y_val.")
        folds = self._folds(rows, training, rng) if X_val is None else [(rows, self._given(X, X_val, y_val))]
        dtype = settings.network.dtype
        if any(val is not None and val.weights is not None and not val.weights.astype(dtype).any() for _, val in folds):
            raise InputError(
                "The rows that are set aside to validate on have weights of sample_weight or class_weight that are 0 in "
                f"{dtype}: leave out rows that count so little, or give X_val and y_val."
            )
        validates = folds[0][1] is not None
        check_threshold(training.threshold, loss, len(self._outputs(rows.y)))
        for problem in about_table(rows, *folds[0], np.asarray(getattr(self, "classes_", [])).tolist(), training):
            warnings.warn(problem, stacklevel=2)
        if training.threshold == AUTO and not validates:
            raise SettingError('threshold="auto" needs validation rows, and so few leave none: give X_val and y_val.')
        n_networks = training.networks_for(len(folds[0][0].y))
        seeds = [int(seed) for seed in rng.integers(2**31, size=n_networks)]
        with use_threads(self.threads):
            trained = self._train(rows, folds, settings, seeds)
            first, problems = trained.trainings[0], trained.problems
            self.history_, self.best_epoch_ = first.history, first.epoch
            if training.refit and validates:
                trained = self._refit(rows, settings, seeds, trained)
        self.model_ = trained.model
        for problem in problems:
            warnings.warn(problem, stacklevel=2)
        return self

    def _settings(self) -> Parts:
        """Return the parameters as settings, or raise SettingError for one that is none, or out of range."""
        own = {name: getattr(self, name) for name in self._get_param_names()}
        further = own.pop("settings") or {}
        if not isinstance(further, Mapping):
            raise SettingError(f'settings must be a dict, as {{"ema_decay": 0.99}}, got {further!r}.')
        if not isinstance(self.callbacks, list | tuple | None):
            raise SettingError(f"callbacks must be a list of objects, got {self.callbacks!r}.")
        return Parts.of(own, further)

    def _given(self, X: Any, X_val: Any, y_val: Any) -> Rows:
        """Return validation rows that were given, or raise InputError if they do not go with the training rows X."""
        names = X.columns if is_frame(X) else [f"x{i}" for i in range(X.shape[1])]
        try:
            X_val = read_again(self, X_val, names, by_name=self._by_name, are_numbers=not is_frame(X))
            y_val = _check_y(y_val, estimator=self, **self._y_checks)
            check_consistent_length(X_val, y_val)
            return self._rows(X_val, y_val, None, first=False)
        except ValueError as error:
            raise InputError(f"X_val and y_val do not go with X and y: {error}") from None

    def _rows(self, X: Any, y: Array, weights: Array | None, *, first: bool) -> Rows:
        targets = self._read_targets(y, first=first)
        of_classes = self._class_weights(y, targets, first=first)
        return Rows(X, targets, of_classes if weights is None else weights if of_classes is None else weights * of_classes)

    def _folds(self, rows: Rows, training: TabularTraining, rng: np.random.Generator) -> list[Fold]:
        """Return rows to train on, and others to validate on: a pair for each network, while there are rows for another one.

        There are none to validate on of fewer than 40 rows, or where each class has one.
        """
        classes, n = self._stratify(rows.y), len(rows.y)
        n_classes = 1 if classes is None else len(np.unique(classes))
        if n < FEWEST_ROWS or n - n_classes < 2:
            return [(rows, None)]
        held = validation_folds(n, training.validation_fraction, classes, rng)
        held = held[: training.networks_for(n - len(held[0]))]
        return [(rows[np.delete(np.arange(n), places)], rows[np.sort(places)]) for places in held]

    def _train(
        self, rows: Rows, folds: Sequence[Fold], settings: Parts, seeds: Sequence[int], first: Trained | None = None
    ) -> Trained:
        """Fit a network for each seed to the folds in turn; these predict together.

        What is fitted before them, as the preprocessor and the scale of targets, is of the rows that train a network: with one
        fold of the part to train on, with several of all rows, since these networks share it.

        Networks of a fold are finished by the rows that validate them. Without any the last epoch is kept, or what a first
        training has chosen.
        """
        table, dtype, training = settings.table, settings.network.dtype, settings.training
        rows = folds[0][0] if len(folds) == 1 else rows
        preprocessor = TableFeatures.fit(rows.columns, gaps=table.gaps, scaling=table.scaling, rare=table.rare, codes=True)
        outputs, scale, loss = self._outputs(rows.y), self._scale_of(rows, dtype), self._loss_name()

        def prepared(part: Rows) -> Part:
            return Part(part.inputs(preprocessor, dtype), part.y, part.weights)

        def targets(part: Part) -> Array:
            return part.y if scale is None else scale.apply(part.y).astype(dtype)

        parts = [(prepared(part), None if val is None else prepared(val)) for part, val in folds]
        if first:  # of each fold its own share and temperature
            parts *= len(first.finished)

        def train(place: int, callbacks: Sequence[Callback]) -> Training:
            part, val = parts[place % len(parts)]
            made: dict[str, Any] = {"loss": loss, "seed": seeds[place], "engine": self.engine}
            network = settings.network.make(parts[0][0].X, preprocessor.category_sizes, len(outputs), **made)
            told = [*callbacks, *([Until(first.trainings[place].epoch)] if first else []), watch := Watch()]
            trainer = training.trainer(
                *(len(part.X), network.loss), validates=val is not None, seed=seeds[place], callbacks=told
            )
            val_rows = (None, None, None) if val is None else (val.X, targets(val), val.weights)
            history = trainer.fit(
                *(network, part.X, targets(part), *val_rows[:2]), sample_weight=part.weights, val_weight=val_rows[2]
            )
            return Training(network, history, watch.state.best_epoch, trainer.epochs)

        callbacks = [] if first else [*([PrintLoss()] if self.verbose else []), *(self.callbacks or [])]
        trainings = train_all(train, len(seeds), callbacks)
        chosen: dict[str, Any] = {"blend_linear": training.blend_linear, "calibrate": training.calibrate}
        finished = []
        for place, (part, val) in enumerate(parts):
            network = together([one.network for one in trainings[place :: len(parts)]])
            if scale is not None:
                bring_to_units(network, scale, part.y)
            known = first.finished[place] if first else None
            finished.append(finish(network, part, val, **chosen, threshold=HALF, monitor=training.metric, known=known))
        network = together([one.network for one in finished])
        threshold, problems = first.model.threshold if first else training.threshold, []
        if validated := held_out(finished, [val for _, val in parts]):
            is_blended = any(one.linear_share is not None and one.linear_share.any() for one in finished)
            problems = list(no_better(network.loss, *validated, rows.y, rows.weights, scale, is_blended=is_blended))
            threshold = threshold_for(threshold, training.metric, network.loss, *validated)
        model = Model(network, preprocessor, outputs, threshold=float(threshold))
        return Trained(model, trainings, finished, problems)

    def _refit(self, rows: Rows, settings: Parts, seeds: Sequence[int], first: Trained) -> Trained:
        """Train on all rows for as many epochs as were best, in a training that would have had as many as the first one."""
        training = msgspec.structs.replace(settings.training, epochs=first.trainings[0].n_epochs)
        return self._train(rows, [(rows, None)], replace(settings, training=training), seeds, first)

    # Predicting.

    def feature_importances(self, X: Any, y: ArrayLike, *, repeats: int = REPEATS) -> Importance:
        """Return by how much the loss of classes rises, or R² falls, when the values of one column change places.

        Parameters
        ----------
        X, y : as `fit` takes them
            Rows that the network was not trained on.
        repeats : int
            Shuffles of each column.

        Returns
        -------
        importance : fcnet.training.importance.Importance
            With the arrays `mean` and `std` (n_features_in_,), and the columns in their `order`.
        """
        rows = self.model_.preprocessor.encode(self._read(X))
        targets = self._read_targets(_check_y(y, estimator=self, **self._y_checks), first=False)
        check_consistent_length(rows, targets)
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        with use_threads(self.threads):
            loss = self.model_.network.loss
            return permutation_importance(self.model_.logits, loss, rows, targets, repeats=repeats, seed=seed)

    def _read(self, X: Any) -> Any:
        check_is_fitted(self, "model_")
        columns = self.model_.preprocessor.columns
        are_numbers = all(categories is None for _, categories in columns)
        return read_again(self, X, [name for name, _ in columns], by_name=self._by_name, are_numbers=are_numbers)

    def _logits(self, X: Any) -> Array:
        rows = self._read(X)
        with use_threads(self.threads):
            logits = self.model_.logits(rows)
        self.model_.tell_unseen()
        return logits

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.categorical = tags.input_tags.string = True
        return tags
