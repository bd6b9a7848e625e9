"""The algebra of docs/derivations, checked symbolically."""

import sympy as sp

s, c1, c2, t, rho, phi, sigma, bar = sp.symbols("s c1 c2 t rho phi sigma bar", positive=True)


def test_learning_curve_integral_and_decay():
    below = -1 / (c1 * s) + sp.sqrt(c2) * c1 ** sp.Rational(-3, 2) * sp.atanh(s * sp.sqrt(c2 / c1))
    assert sp.simplify(sp.diff(below, s) - 1 / (c1 * s**2 - c2 * s**4)) == 0
    above = -1 / (c1 * s) + sp.sqrt(c2) * c1 ** sp.Rational(-3, 2) * sp.acoth(s * sp.sqrt(c2 / c1))
    assert sp.simplify(sp.diff(above, s) - 1 / (c1 * s**2 - c2 * s**4)) == 0
    decay = (s**-3 + 24 * c2 * t) ** sp.Rational(-1, 3)
    assert sp.simplify(sp.diff(decay, t) + 8 * c2 * decay**4) == 0


def test_learning_curve_velocity():
    w1, w2 = sp.symbols("w1 w2", positive=True)
    loss = -2 * c1 * (w1 * w2) ** 2 + c2 * (w1 * w2) ** 4
    velocity = -(sp.diff(loss, w1) * w2 + sp.diff(loss, w2) * w1)
    balanced = velocity.subs({w1: sp.sqrt(s), w2: sp.sqrt(s)})
    assert sp.expand(balanced - (8 * c1 * s**2 - 8 * c2 * s**4)) == 0


def test_velocity_and_change_of_variable_for_any_number_of_layers():
    depth = sp.Symbol("L", positive=True)
    a = 3 - 2 / depth
    slope = -4 * c1 * s + 4 * c2 * s**3
    velocity = -depth * s ** (2 - 2 / depth) * slope
    assert sp.simplify(velocity - 4 * depth * (c1 * s**a - c2 * s ** (a + 2))) == 0
    y = sp.Symbol("y", positive=True)
    for x, rate in ((sp.tanh(y), sp.coth(y) ** a), (sp.coth(y), sp.tanh(y) ** a)):
        claimed = rate * (x**a - x ** (a + 2)) / sp.diff(x, y)
        assert all(
            abs(claimed.subs({y: value, depth: n}).evalf() - 1) < 1e-12
            for value in (0.3, 2)
            for n in (1, 2, 5)
        )
    u = sp.tanh(y) ** 2
    for q, rate in (((1 - a) / 2, sp.coth(y) ** a), ((1 + a) / 2, sp.tanh(y) ** a)):
        claimed = u ** (q - 1) / (1 - u) / 2 * sp.diff(u, y) / rate
        assert all(
            abs(claimed.subs({y: value, depth: n}).evalf() - 1) < 1e-12
            for value in (0.3, 2)
            for n in (1, 2, 5)
        )


def test_both_series_of_the_incomplete_beta_function():
    """Sides of u = 1/2 against numerical integration from 1/4; the continuation to negative q differs by the same."""
    from mpmath import factorial, mp, psi, quad, rf

    mp.dps = 30
    for q in (mp.mpf(-1) / 2, mp.mpf(-2) / 3, mp.mpf(3) / 2, mp.mpf(1)):

        def low(u, q=q):
            return sum(u ** (n + q) / (n + q) for n in range(150))

        def high(u, q=q):
            tail = sum(rf(1 - q, n) / factorial(n) / n * (1 - u) ** n for n in range(1, 150))
            return -mp.log(1 - u) - psi(0, q) - mp.euler - tail

        integral = quad(lambda t, q=q: t ** (q - 1) / (1 - t), [0.25, 0.5, 0.75])
        assert abs(high(mp.mpf("0.75")) - low(mp.mpf("0.25")) - integral) < 1e-20


def test_boundary_condition_and_roots():
    s1, s2, v1, v2 = sp.symbols("s1 s2 v1 v2", positive=True)
    after = (s1**2 * v1 + s2**2 * v2) / s1**2
    before = (s1 * v1 + s2 * v2) / s1
    solution = sp.solve(sp.Eq(after, before), s1)
    assert solution == [s2]  # one other feature: bar s = c / (sqrt(rho) phi) = its own weight
    roots = [(sp.sqrt(rho) + sign * sp.sqrt(rho - 4 * bar**2 * sigma**2)) / (2 * bar) for sign in (1, -1)]
    assert all(sp.simplify(bar * r**2 - sp.sqrt(rho) * r + bar * sigma**2) == 0 for r in roots)
    assert sp.simplify(sp.expand(roots[0] * roots[1]) - sigma**2) == 0


def test_gaussian_integral_of_the_averaging_law():
    a, b, mu = sp.symbols("a b mu", real=True)
    q, tau = sp.symbols("q tau", positive=True)
    density = sp.exp(-((a - mu) ** 2) / (2 * tau**2)) / (tau * sp.sqrt(2 * sp.pi))
    integral = sp.integrate(sp.exp(b * a - q * a**2 / 2) * density, (a, -sp.oo, sp.oo))
    spread = 1 + q * tau**2
    closed = sp.exp((b * mu + b**2 * tau**2 / 2 - q * mu**2 / 2) / spread) / sp.sqrt(spread)
    assert sp.simplify(sp.expand_log(sp.log(integral / closed), force=True)) == 0
