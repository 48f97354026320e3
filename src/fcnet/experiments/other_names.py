"""Other names of settings: those of other libraries, and those of flat recipes."""

from typing import Any

from fcnet.errors import SettingError

OPTIONS = {name: name for name in ("seed", "engine", "threads", "target", "drop", "category")}
OPTIONS |= {"random_state": "seed", "random_seed": "seed", "backend": "engine"}
TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}

OTHER_NAMES = {
    other: name
    for name, others in {
        "activation": "act nonlinearity",
        "average_views": "testtimeaugmentation tta",
        "batch_size": "batch batchsize bs minibatch minibatchsize",
        "class_weight": "classweights",
        "decay": "learningratedecay lrdecay",
        "decay_rate": "rho",
        "dropout": "dropoutrate droprate",
        "dtype": "precision",
        "epochs": "maxepochs maxiter nepochs numepochs",
        "epsilon": "eps",
        "gamma": "concentration",
        "hidden_sizes": "hidden hiddenlayers hiddenlayersizes hiddensize hiddenunits nhidden",
        "input_dropout": "inputdropoutrate",
        "l2": "l2reg l2regularisation l2regularization lambda reg",
        "label_smoothing": "smoothing",
        "loss": "criterion lossfunction objective",
        "learning_rate": "eta learningrateinit lr",
        "calibrate": "calibration temperaturescaling",
        "mirror": "flip fliplr hflip horizontalflip",
        "momentum": "mu",
        "monitor": "evalmetric metric scoring",
        "normalisation": "norm normalization",
        "patience": "earlystopping niternochange",
        "preprocessing": "features",
        "preprocessing.regularisation": "pcaregularisation",
        "preprocessing.scaling.regularisation": "zcaregularisation",
        "schedule": "learningrateschedule lrschedule lrscheduler scheduler",
        "shift": "translate translation",
        "threshold": "cutoff cutpoint decisionthreshold",
        "update": "algorithm optim optimiser optimizer solver",
        "weight_decay": "wd",
        "weight_init": "init initialisation initialization",
    }.items()
    for other in others.split()
}

NEAR_NAMES = {
    other: name
    for name, others in {  # what these say has other values here
        "batches": "sampler shuffle",
        "class_weight": "balanced",
        "epochs": "iterations niter steps",
        "hidden_sizes": "layers layersizes units width",
        "l2": "alpha penalty regularization",
        "mirror": "augment",
        "normalisation": "batchnorm layernorm",
        "scaling": "normalise normalize standardise standardize whiten whitening",
        "schedule": "stepsize",
        "shift": "crop",
    }.items()
    for other in others.split()
}


LOSS_KEYS = {"loss", *(other for other, name in OTHER_NAMES.items() if name == "loss")}
LOSSES = {
    other: name
    for name, others in {
        "squared_error": "squared mse l2 meansquarederror",
        "absolute_error": "absolute mae l1 meanabsoluteerror",
        "quantile": "quantiles pinball",
        "poisson": "counts",
    }.items()
    for other in others.split()
}


def option_error(key: str, value: Any) -> SettingError:
    """Return the error for an option of the command line where a setting should be."""
    text = ",".join(map(str, value)) if isinstance(value, list) else value
    return SettingError(f"{key} is no setting of a recipe, but an option: --{OPTIONS[key]} {text}.")


def plain(name: str) -> str:
    """Return a name in small letters without lines between words.

    Examples
    --------
    >>> plain("Learning-Rate")
    'learningrate'
    """
    return name.lower().replace("_", "").replace("-", "")


def value_here(key: str, value: Any) -> Any:
    """Return the value that a setting of another library, or of a flat recipe, has here, where it had another one there.

    SettingError is raised where it has none.

    Examples
    --------
    >>> value_here("features", "none"), value_here("concentration", 1.5)  # κ of exp(κ (x·y - 1)) is twice γ
    ('pixels', 0.75)
    """
    if plain(key.rpartition(".")[2]) in LOSS_KEYS and isinstance(value, str):
        return LOSSES.get(plain(value), value)
    if plain(key) == "features" and value == "none":
        return "pixels"
    if plain(key) == "concentration" and isinstance(value, int | float) and not isinstance(value, bool):
        return value / 2
    if plain(key) == "earlystopping" and (truth := TRUTHS.get(str(value).lower())) is not None:
        if truth:
            raise SettingError(
                f"{key} is patience here, a number of epochs: patience=10 stops when the validation accuracy has not risen for "
                "ten epochs."
            )
        return 0
    return value
