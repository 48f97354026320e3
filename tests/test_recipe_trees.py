"""Any recipe of values in their ranges makes its objects, and one value out of its range is named by its path."""

from types import UnionType
from typing import Union, get_args, get_origin

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcnet.errors import SettingError
from fcnet.experiments.gradient import GradientDescent
from fcnet.experiments.network import Network
from fcnet.experiments.recipe import Recipe
from fcnet.settings import annotated, choices_of, parts_of


def values(kind):
    """Return what a recipe file may hold for a field of this annotation."""
    if parts := parts_of(kind):
        return st.one_of([tables(part) for part in parts.values()])
    if names := choices_of(kind):
        return st.sampled_from(names)
    base, meta = annotated(kind)
    if get_origin(base) in (Union, UnionType):
        return st.one_of([values(member) for member in get_args(base)])
    if get_origin(base) is tuple:
        return st.lists(values(get_args(base)[0]), min_size=meta.min_length or 0, max_size=3)
    low = meta.ge or 0
    if base is int:
        return st.integers(low, low + 6)
    high = next((limit for limit in (meta.lt, meta.le) if limit is not None), low + 10)
    return {bool: st.booleans(), float: st.floats(low, high, exclude_max=meta.lt is not None)}[base]


def tables(part):
    fields = {field.name: values(field.type) for field in msgspec.structs.fields(part)}
    tag = part.__struct_config__.tag
    return st.fixed_dictionaries({"kind": st.just(tag)} if tag else {}, optional=fields)


RECIPES = st.fixed_dictionaries({"network": tables(Network), "training": tables(GradientDescent)})


@settings(max_examples=100)
@given(RECIPES)
def test_values_in_their_ranges_make_a_network_and_a_trainer(tree):
    if tree["training"].get("update", {}).get("kind") != "adamw":
        tree["training"].pop("weight_decay_schedule", None)
    if tree["training"].get("patience") == "cycle" and tree["training"].get("schedule", {}).get("kind") != "log_cosine":
        tree["training"].pop("patience")
    if not tree["training"].get("keep_best", True):
        tree["training"].pop("best_epochs", None)
    if quantiles := tree["training"].get("loss", {}).get("quantiles"):
        quantiles[:] = sorted(set(quantiles))
    recipe = Recipe.from_dict(tree, "a file")
    network = recipe.network.build(4, 3, 0, "numpy")
    trainer = recipe.training.resolved(1000, network.loss).trainer(0)
    assert network.layer_sizes == [4, *tree["network"].get("hidden_sizes", [100]), 3]
    for name, value in {"dropout": 0.0, "activation": "relu", "normalisation": "none", "weight_init": "he"}.items():
        assert getattr(network, name) == tree["network"].get(name, value)
    for name in ("epochs", "batch_size", "batches", "learning_rate", "l2", "label_smoothing", "keep_best"):
        if tree["training"].get(name, "auto") != "auto":
            assert getattr(trainer, name) == tree["training"][name]
    assert (trainer.update, trainer.schedule) == (recipe.training.update, recipe.training.schedule)
    for part in ("update", "schedule"):
        for name, value in tree["training"].get(part, {}).items():
            assert name == "kind" or getattr(getattr(trainer, part), name) == value
    assert Recipe.from_dict(recipe.to_dict(), "a file") == recipe


def leaves(table, path=()):
    for name, value in table.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, name))
        elif name != "kind":
            yield (*path, name)


def bad_values(value):
    """Return values of another type, and some that no range has."""
    of_its_type = {bool: [1, "yes"], str: ["", "no such name"], list: [[0], [1.5]]}.get(type(value), [-1, -0.5, float("nan")])
    return st.sampled_from([*of_its_type, ["text"], [[1]]])


@settings(max_examples=100)
@given(RECIPES.filter(lambda tree: any(leaves(tree))), st.data())
def test_a_value_out_of_its_range_is_named_by_its_path(tree, data):
    *above, name = data.draw(st.sampled_from(list(leaves(tree))))
    table = tree
    for part in above:
        table = table[part]
    table[name] = data.draw(bad_values(table[name]))
    with pytest.raises(SettingError) as error:
        Recipe.from_dict(tree, "a file")
    assert str(error.value).startswith("a file: ")
    assert ".".join([*above, name]) in str(error.value)
