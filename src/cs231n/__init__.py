"""The names that the exercise "two_layer_net" imports, handed on to fcnet."""
