"""Features: transformations of the inputs, fitted on the training part alone."""
