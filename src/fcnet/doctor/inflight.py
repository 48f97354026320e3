"""The doctor as a callback: what it sees while a network trains, and what it says of that."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from fcnet.doctor.course import Course, input_size
from fcnet.doctor.curve import Curve, chance_of
from fcnet.doctor.finding import Findings
from fcnet.doctor.first_layer import first_weights, with_first_layer
from fcnet.doctor.judge import judge, judge_midway
from fcnet.doctor.looks import Look, look, packed, sample, unpacked, weight_names
from fcnet.doctor.reference import Reference, reference
from fcnet.training.callbacks import Callback
from fcnet.training.state import TrainingState
from fcnet.types import Array

LEAST_INTERVAL, LOOKS_AN_EPOCH, GROWTH = 64, 3, 8
FEWEST_LOOKS = 4  # that a judgement midway goes by
OVERHEAD = 2e6  # operations that take as long as what a look, or a step, does whatever the size of the network
OF_THE_RATE = ("learning-rate-too-low", "learning-rate-too-high")


class Doctor(Callback):
    """Looks at a few batches of a training, and says what is wrong with it.

    These are those after 1, 2, 4, 8 … batches, and then three in an epoch, with 64 batches at least from one to the next, and
    an eighth of all that there were. A look takes about as long as a step; where it takes longer, as with small batches for
    large layers, looks are that much rarer.

    Parameters
    ----------
    settings : mapping, optional
        Those of the training, by their names in a recipe, as ``hidden_sizes`` and ``l2``; remedies then change them.
    validation : pair of arrays (m, n_inputs) and (m,) or (m, n_outputs), optional
        The rows that the network is validated on. With them a network whose training and validation are equally poor is
        compared with other models after the training, which takes a second or more.
    image_shape : tuple of ints (height, width, channels), optional
        Of the images that rows are. Findings then say how smooth the weights of the first layer are.

    Attributes
    ----------
    findings : Findings
        What is wrong: so far, and once training has ended. It is empty where nothing is.
    first_seen : dict
        After how many batches each code was found first.

    Examples
    --------
    >>> import numpy as np
    >>> from fcnet import FullyConnectedNet, Trainer
    >>> X = np.random.default_rng(0).standard_normal((500, 4)).astype("float32")
    >>> y = (X[:, 0] * X[:, 1] > 0).astype(int)
    >>> doctor = Doctor()
    >>> history = Trainer(epochs=20, learning_rate=1e-6, callbacks=[doctor]).fit(FullyConnectedNet([4, 16, 2]), X, y)
    >>> [finding.code for finding in doctor.findings]
    ['learning-rate-too-low']
    """

    def __init__(
        self,
        settings: Mapping[str, Any] | None = None,
        validation: tuple[Any, Array] | None = None,
        image_shape: tuple[int, ...] | None = None,
    ) -> None:
        self.settings, self.validation, self.image_shape = dict(settings or {}), validation, image_shape
        self.findings, self.first_seen = Findings(), dict[str, int]()

    def on_train_begin(self, state: TrainingState) -> None:
        self.findings, self.first_seen = Findings(), {}
        self.looks: list[Look] = []
        self._before: list[Array] | None = None
        self._chance, self._input_size, self._next = None, None, 0
        if state.X is None or state.y is None:
            return
        if self.image_shape is not None:
            first_weights(state.network, self.image_shape)  # which is an error before the training, not after it
        self._probe = probe = state.probe
        assert probe is not None
        n_outputs = state.network.logits(probe[:1]).shape[1]
        self._chance = chance_of(state.network.loss, state.y, n_outputs, state.weights)
        self._input_size = input_size(probe)
        per_epoch = state.total_iterations // state.n_epochs
        cost = _cost(state.network, probe.shape[0], state.X.shape[0] / per_epoch)
        self._interval = max(LEAST_INTERVAL, int(LEAST_INTERVAL * cost), per_epoch // LOOKS_AN_EPOCH)
        if weight_names(state.network):
            self._next = 1
            self._pass(state)

    def on_batch_end(self, state: TrainingState) -> None:
        if state.iteration < self._next - 1 or not self._next:
            return
        if state.iteration >= self._next and self._before is not None:
            self.looks.append(look(state, self._before, self._probe))
        self._pass(state)

    def _pass(self, state: TrainingState) -> None:
        """Take a sample of the weights if the next batch is to be looked at."""
        while self._next <= state.iteration:
            self._next = min(2 * self._next, self._next + max(self._interval, self._next // GROWTH))
        self._before = sample(state.network) if state.iteration == self._next - 1 else None

    def on_epoch_end(self, state: TrainingState) -> None:
        is_power_of_2 = not state.epoch & (state.epoch - 1)
        if is_power_of_2 and len(self.looks) >= FEWEST_LOOKS and state.epoch < state.n_epochs:
            self._note(judge_midway(self._course(state)), state)

    def state_dict(self, iteration: int) -> dict[str, Any]:
        """Return what was seen in so many batches."""
        looks = [seen for seen in self.looks if seen.iteration <= iteration]
        return {"looks": packed(looks), "first_seen": {code: n for code, n in self.first_seen.items() if n <= iteration}}

    def load_state_dict(self, kept: dict[str, Any]) -> None:
        """Go on with what was seen before the training was stopped."""
        self.looks, self.first_seen = unpacked(kept["looks"]), dict(kept["first_seen"])

    def on_train_end(self, state: TrainingState) -> None:
        is_over = state.divergence is not None or state.stop_reason is not None or state.epoch == state.n_epochs
        if is_over and state.X is not None:
            found = judge(self._course(state), lambda: self._reference(state), self.settings)
            if self.image_shape is not None:
                found = with_first_layer(found, first_weights(state.network, self.image_shape), self.image_shape)
            self._note(with_rates(found, state), state)

    def _note(self, findings: Findings, state: TrainingState) -> None:
        self.findings = findings
        for finding in findings:
            self.first_seen.setdefault(finding.code, state.iteration)

    def _course(self, state: TrainingState) -> Course:
        n_val = None if self.validation is None else len(self.validation[1])
        curve = Curve(state.history, self._chance, n_val, state.kept_epoch or None)
        stopped = state.stop_reason is not None and state.epoch < state.n_epochs
        return Course(curve, self.looks, state.divergence, self._input_size, state.total_iterations, stopped)

    def _reference(self, state: TrainingState) -> Reference | None:
        if self.validation is None or state.X is None or state.y is None or state.weights is not None:
            return None  # the others count all rows the same
        return reference(state.network, state.X, state.y, *state.network.check_data(*self.validation, "X_val", "y_val"))


def with_rates(findings: Findings, state: TrainingState) -> Findings:
    """Return findings whose remedy is another learning rate with one that short trials have found, before that of the rule."""
    found = Findings()
    for finding in findings:
        near = finding.settings.get("learning_rate") if finding.code in OF_THE_RATE else None
        if near and state.rate_near and (rate := state.rate_near(near)):
            remedy = f"Try learning_rate = {rate:g}, which lowers the loss in short trials."
            before, settings = [finding.settings] * (rate != near), finding.settings | {"learning_rate": rate}
            finding = replace(finding, remedy=remedy, settings=settings, alternatives=[*before, *finding.alternatives])
        found.append(finding)
    return found


def _cost(network: Any, n_probe: int, n_batch: float) -> float:
    """Return how many steps a look takes as long as, by the products of both."""
    n: int = sum(network.params[name].size for name in weight_names(network))
    return (OVERHEAD + 2 * n_probe * n) / (OVERHEAD + 4 * n_batch * n)
