"""Algebra of docs/derivations on heads, thresholds and penalties, symbolically."""

import sympy as sp

a, b, c, s, t = sp.symbols("a b c s t", positive=True)
phi, rho, w1, w2 = sp.symbols("phi rho w1 w2", positive=True)
l1, l2, mu, c1, c2 = sp.symbols("lambda1 lambda2 mu c1 c2", positive=True)


def test_head_speed_law_solves_its_quadratic():
    gamma = (a**2 + sp.sqrt(a**4 + 4 * s**2 / c)) / 2
    assert sp.simplify(c * (gamma**2 - a**2 * gamma) - s**2) == 0


def test_inner_steps_are_a_geometric_sum():
    eta, lam = sp.symbols("eta lambda", positive=True)
    delta = 0
    for steps in range(1, 5):
        delta = sp.expand((1 - 2 * eta * lam) * delta - eta)
        ratio = (1 - (1 - 2 * eta * lam) ** steps) / (2 * eta * lam)
        assert sp.simplify(delta + eta * ratio) == 0


def test_one_step_changes_the_imbalance_in_second_order_only():
    first, second, gradient = (sp.Matrix(2, 2, sp.symbols(f"{name}:4")) for name in "xyg")
    eta = sp.Symbol("eta")

    def imbalance(one, two):
        return one * one.T - two.T * two

    moved = imbalance(first - eta * second.T * gradient, second - eta * gradient * first.T)
    change = sp.expand(moved - imbalance(first, second))
    expected = eta**2 * (second.T * gradient * gradient.T * second - first * gradient.T * gradient * first.T)
    assert sp.expand(change - expected) == sp.zeros(2, 2)


def test_penalty_of_the_product():
    cost = l1 * c**2 / b**2 + l2 * b + mu * b**2
    stationary = sp.expand(sp.diff(cost, b) * b**3)
    assert sp.expand(stationary - (2 * mu * b**4 + l2 * b**3 - 2 * l1 * c**2)) == 0
    alone = cost.subs(mu, 0).subs(b, (2 * l1 * c**2 / l2) ** sp.Rational(1, 3))
    schatten = 3 * l1 ** sp.Rational(1, 3) * (l2 / 2) ** sp.Rational(2, 3) * c ** sp.Rational(2, 3)
    assert sp.simplify(alone / schatten) == 1


def test_jumps():
    u = sp.Symbol("u", positive=True)
    scale = sp.sqrt(c1 / c2)
    for power, fraction, factor in (
        (sp.Rational(2, 3), sp.Rational(4, 5), sp.Rational(6, 5)),
        (sp.Integer(1), sp.Rational(2, 3), sp.Rational(4, 3)),
    ):
        strength = factor * c1 * (fraction * c1 / c2) ** (1 - power / 2)
        value = -2 * c1 * (u * scale) ** 2 + c2 * (u * scale) ** 4 + strength * (u * scale) ** power
        at = {u: sp.sqrt(fraction)}
        assert sp.simplify(value.subs(at)) == 0
        assert sp.simplify(sp.diff(value, u).subs(at)) == 0


def test_threshold_flow_conserves_both_quantities():
    time = sp.Symbol("time")
    x, y, z = (sp.Function(name)(time) for name in ("w1", "w2", "b"))
    h = x * phi - z
    g = 4 * (y * h) ** 3 - 4 * rho * y * h
    flow = {x.diff(time): -g * y * phi, y.diff(time): -g * h, z.diff(time): g * y}
    for conserved in (x + phi * z, h**2 - (1 + phi**2) * y**2):
        assert sp.simplify(conserved.diff(time).subs(flow)) == 0


def test_sliding_along_the_kink_conserves_its_quantity():
    theta = (1 - phi**2) / (1 + phi**2)
    assert sp.simplify(phi**2 * (1 + theta) - (1 - theta)) == 0
    g = sp.Symbol("g")
    dw1, dw2 = -g * w2 * phi * (1 + theta), -g * 2 * w1 * phi
    assert sp.simplify((1 + phi**2) * w1 * dw1 - w2 * dw2) == 0


def test_collapse_solves_its_equation():
    curve = (24 * c2 * t + s**-3) ** sp.Rational(-1, 3)
    assert sp.simplify(sp.diff(curve, t) + 8 * c2 * curve**4) == 0
