"""What the name of a stored result depends on, and what is refused because its name would say too little."""

import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest

from neural.models.encoders import SmallConvConfig
from synthetic.features.views import FeatureViews
from synthetic.store.arrays import stack_results
from synthetic.store.fingerprint import Sources, canonical, fingerprint


@dataclass(frozen=True)
class Point:
    value: float


class Interval(NamedTuple):
    low: float
    high: float


class Model:
    def __init__(self, scale):
        self.scale = scale

    def run(self, point):
        return self.scale * point

    @classmethod
    def made(cls, point):
        return cls.__name__

    @staticmethod
    def plain(point):
        return point


class Special(Model):
    pass


def square(point):
    return point**2


def cube(point):
    return point**3


def scaled(factor):
    @functools.wraps(square)
    def wrapper(point):
        return factor * square(point)

    return wrapper


def test_points_that_differ_have_different_fingerprints():
    points = [
        1,
        1.0,
        True,
        "1",
        None,
        [1],
        {"a": 1},
        {"b": 1},
        Point(1),
        Point(1.0),
        Interval(0.0, 1.0),
        [0.0, 1.0],
        np.int8(1),
        np.int64(1),
        np.float32(1),
        np.float64(1),
        np.bool_(True),
        np.datetime64("2020-01-01"),
        np.datetime64("2020-01-01T00"),
        np.complex64(1),
        np.longdouble(1),
        np.str_("1"),
        np.zeros(2),
        np.zeros(2, np.float32),
        np.zeros((2, 1)),
        np.array(1.0),
        np.array([0.0, np.nextafter(0, 1)]),
        {"a": 1.0, "b": Point(2.0)},
        square,
        cube,
        Point,
    ]
    assert len({fingerprint(square, point) for point in points}) == len(points)
    assert fingerprint(square, 1) != fingerprint(cube, 1)


def test_equal_points_have_equal_fingerprints():
    def key(point):
        return fingerprint(square, point)

    assert key({"a": 1, "b": (2.0, None)}) == key({"b": [2.0, None], "a": 1})
    assert key(np.float64(2)) == key(np.array([2.0])[0])
    assert key(np.arange(6.0).reshape(2, 3).T) == key(np.ascontiguousarray(np.arange(6.0).reshape(2, 3).T))


@pytest.mark.parametrize(
    "value, name",
    [
        ({"a": [{1, 2}]}, r"point\['a'\]\[0\]"),
        (np.array([{}]), "point"),
        ({1: 2}, "point"),
        ([np.ma.masked_array([1.0, 2.0], [True, False])], r"point\[0\]"),
        (Point(np.matrix([[1.0]])), r"point\.value"),
        ([lambda x: x], r"point\[0\]"),
        ({"f": scaled(2)}, r"point\['f'\]"),
        (1 + 2j, "point"),
    ],
)
def test_a_point_without_canonical_form_is_refused(value, name):
    with pytest.raises(ValueError, match=f"^{name} must"):
        canonical(value)


@pytest.mark.parametrize(
    "function",
    [
        Model(10).run,
        Model.made,
        Special.made,
        scaled(2),
        functools.partial(square),
        functools.partial(scaled(2)),
        lambda point: point,
    ],
)
def test_a_function_whose_name_does_not_lead_back_to_it_is_refused(function):
    with pytest.raises(ValueError, match="^function must be defined at the top level of a module"):
        fingerprint(function, 1)


def test_a_static_method_and_an_inherited_one_are_found_by_name():
    assert fingerprint(Model.plain, 1) == fingerprint(Special.plain, 1) != fingerprint(square, 1)


def test_the_files_of_functions_and_classes_inside_a_point_count():
    assert set(Sources(stack_results, [1]).digests) == {"synthetic/store/arrays.py"}
    inside = set(Sources(stack_results, [{"a": [SmallConvConfig()]}, (FeatureViews,)]).digests)
    assert {"neural/models/encoders.py", "synthetic/features/views.py"} <= inside
