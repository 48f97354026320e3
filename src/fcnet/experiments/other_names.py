"""What people call the settings who come from other libraries; each leads to the name that the setting has here."""

OTHER_NAMES = {
    other: name
    for name, others in {
        "activation": "act nonlinearity",
        "average_views": "tta",
        "batch_size": "batch batchsize bs minibatch",
        "batches": "shuffle sampler",
        "class_weight": "balanced classweights",
        "decay": "gamma learningratedecay lrdecay",
        "decay_rate": "rho",
        "dropout": "dropoutrate droprate",
        "dtype": "precision",
        "epochs": "iterations maxepochs maxiter nepochs niter numepochs",
        "epsilon": "eps",
        "hidden": "hiddenlayers hiddenlayersizes hiddensize hiddensizes hiddenunits layers layersizes nhidden units width",
        "input_dropout": "inputdropoutrate",
        "l2": "alpha l2reg lambda penalty reg regularisation regularization",
        "label_smoothing": "smoothing",
        "learning_rate": "eta learningrateinit lr stepsize",
        "mirror": "augment augmentation flip hflip",
        "momentum": "mu",
        "normalisation": "batchnorm layernorm norm normalization",
        "patience": "earlystopping niternochange",
        "scaling": "normalise normalize preprocessing standardise standardize whiten",
        "schedule": "learningrateschedule lrschedule lrscheduler scheduler",
        "shift": "crop translate translation",
        "update": "algorithm optim optimiser optimizer solver",
        "weight_decay": "wd",
        "weight_init": "init initialisation initialization",
    }.items()
    for other in others.split()
}
