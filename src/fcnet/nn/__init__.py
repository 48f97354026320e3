"""The mathematics: forward, backward, loss, and the check of the gradients."""
