"""The algebra of the derivation pages, by symbols; every test also refuses a wrong formula."""

import sympy

V, R, P, N, LAM, SIGMA, DELTA, X, C = sympy.symbols("v r p n lambda sigma delta x c", positive=True)


def same(one, other):
    return sympy.simplify(one - other) == 0


def test_barlow_twins_share_and_threshold():
    """Steps 5 and 7 of other-losses.md#barlow-twins."""
    across, along = 1 / V, (1 + R**2) / (V + R**2)
    d = along - across
    c = across + N * d / P
    loss = P * (1 - c) ** 2 - LAM * P * c**2 + LAM * (N**2 * along**2 + (P - N) ** 2 * across**2 / (P - 1))
    (share,) = sympy.solve(sympy.diff(loss, N), N)
    top = (1 - across) * d + LAM * (across**2 * P / (P - 1) + across * d)
    bottom = d**2 * (1 - LAM) / P + LAM * (along**2 + across**2 / (P - 1))
    assert same(share, top / bottom) and not same(share, top / (bottom + d**2))
    many = ((1 - across) * d + LAM * across * along) / (LAM * along**2)
    threshold = sympy.solve(sympy.Eq(many, (V + R**2) / V), LAM)
    wanted = SIGMA**4 / ((1 + SIGMA**2) * (1 + R**2))
    assert same(threshold[0].subs(V, 1 + SIGMA**2), wanted)


def test_vicreg_share():
    """Step 4 of other-losses.md#vicreg."""
    pull, push, std = sympy.symbols("pull push std", positive=True)
    across, along = 1 / V, (1 + R**2) / (V + R**2)
    loss = pull * 2 * std**2 * (N * (1 - along) + (P - N) * (1 - across))
    loss += push * std**4 * (N**2 + (P - N) ** 2 / (P - 1) - P)
    (share,) = sympy.solve(sympy.diff(loss, N), N)
    wanted = 1 + (P - 1) / P * pull / push * (V - 1) * R**2 / (std**2 * V * (V + R**2))
    assert same(share, wanted) and not same(share, wanted.subs(push, 2 * push))


def test_linear_predictor_keeps_the_balance_and_its_fixed_point():
    """Steps 2 and 3 of other-losses.md#linear-predictors."""
    w, own, pair, decay = sympy.symbols("w S T eta", positive=True)
    w_slope = w * P * (pair - P * own) - decay * w
    p_slope = w**2 * (pair - P * own) - decay * P
    assert same(2 * w * w_slope - 2 * P * p_slope, -2 * decay * (w**2 - P**2))
    end = (pair + sympy.sqrt(pair**2 - 4 * decay * own)) / (2 * own)
    assert same(p_slope.subs(w, P).subs(P, end), 0)
    assert not same(p_slope.subs(w, P).subs(P, pair / own), 0)


def test_class_positives_have_no_noise_weight():
    """Step 3 of other-losses.md#class-positives: the slope across is that of a pair spread of 2 v."""
    b, q = sympy.symbols("b q", positive=True)
    loss = V * b - sympy.log(1 + V * b) / 2 - V * b / (2 * (1 + V * b))
    slope = sympy.diff(loss, b).subs(b, (1 / q - 1) / V)
    assert same(slope, V - V * (q + q**2) / 2)
    assert slope.subs(q, 1).simplify() == 0


def test_decoupled_moment_and_its_minimum_across():
    """Steps 1 to 3 of other-losses.md#decoupled-loss: E e^(a x x') by a Gaussian integral, and the roots."""
    a, m, k, b = sympy.symbols("a m k b", real=True)
    # E e^(a x x') given x is e^(a x k + a^2 v x^2 / 2); then complete the square in x ~ N(m, v)
    precision = 1 / V - a**2 * V
    exponent = (m / V + a * k) ** 2 / (2 * precision) - m**2 / (2 * V)
    wanted = (a * m * k + a**2 * V * (m**2 + k**2) / 2) / (1 - a**2 * V**2)
    assert same(exponent, wanted)
    assert same(wanted.subs({m: R, k: R}), a * R**2 / (1 - a * V))
    assert same(wanted.subs({m: R, k: -R}), -a * R**2 / (1 + a * V))
    slope = sympy.diff(-b - sympy.log(1 - b**2 * V**2) / 2, b)
    assert same(slope.subs(b, (sympy.sqrt(V**2 + 4) - V) / (2 * V)), 0)
    both = sympy.log((sympy.exp(a * R**2 / (1 - a * V)) + sympy.exp(-a * R**2 / (1 + a * V))) / 2)
    odds = sympy.exp(-a * R**2 * (1 / (1 - a * V) + 1 / (1 + a * V)))
    pull = R**2 * ((1 - a * V) ** -2 - odds * (1 + a * V) ** -2) / (1 + odds)
    at = {a: sympy.Rational(1, 7), R: sympy.Rational(3, 2), V: 2}
    assert abs((sympy.diff(both, a) - pull).subs(at).evalf(30)) < 1e-25


def test_common_mean_of_several_classes():
    """Step 3 of negatives-and-classes.md#several-classes."""
    a, k = sympy.symbols("a K", positive=True)
    loss = -a * (1 + R**2 / k) + a * R**2 / k + V / 2 * a**2 * (V + R**2 / k)
    (best,) = sympy.solve(sympy.diff(loss, a), a)
    assert same(best * V**2, V / (V + R**2 / k))


def test_euclidean_contrast_moments():
    """Step 5 of negatives-and-classes.md#several-classes: the factor of theta."""
    k = sympy.symbols("K", positive=True)
    mean_square = (k - 1) * (V + R**2 / k) + R**2 * (1 - 1 / k)  # |x|^2 and |mu_k|^2
    assert same(mean_square / 2, (k - 1) * (V / 2 + R**2 / k))


def test_ridge_closed_form_solves_the_downstream_equations():
    """Steps 1 to 4 of closed-forms.md#ridge."""
    step = 1 / (DELTA * (1 + X) - 1)
    penalty = X / (1 + step)
    quadratic = DELTA * X**2 + (DELTA - 1 - penalty * DELTA) * X - penalty * DELTA
    assert same(quadratic, 0)
    s = R / (1 + R**2 + C * X)
    tau2 = (DELTA * (1 + X) ** 2 - 1) / (1 + (1 + C * X) ** 2 / R**2)
    noise2 = s**2 / tau2
    curvature, pull = 1 / (1 + step), (1 - R * s) / (1 + step)
    second = ((1 - R * s) ** 2 + s**2 + noise2) / (1 + step) ** 2
    assert same(s * (penalty * C + curvature), R * pull)
    assert same(noise2 * DELTA * (penalty + curvature) ** 2, second)
    assert same(step * DELTA * (penalty + curvature), 1)
    assert not same(s * (penalty + curvature), R * pull)


def test_best_ridge_penalty_condition():
    """Steps 1 and 3 of closed-forms.md#best-ridge-penalty."""
    tau2 = (DELTA * (1 + X) ** 2 - 1) / (1 + (1 + C * X) ** 2 / R**2)
    condition = DELTA * (1 + X) * R**2 + C * (1 + C * X) - DELTA * (C - 1) * (1 + X) * (1 + C * X)
    ratio = sympy.diff(sympy.log(tau2), X) * (DELTA * (1 + X) ** 2 - 1) * (R**2 + (1 + C * X) ** 2)
    assert same(ratio, 2 * condition)
    boundary = DELTA * (1 + R**2) / (DELTA - 1)
    assert same(condition.subs(X, 0).subs(C, boundary), 0)


def test_several_classes_are_two_classes_of_a_smaller_norm():
    """Step 3 of closed-forms.md#several-classes: covariance with the target over its standard deviation."""
    k = sympy.symbols("K", positive=True)
    small, deviation = R / sympy.sqrt(k - 1), sympy.sqrt(k - 1) / k
    assert same(R / k, small * deviation)
    assert same((R / (k - 1)) / sympy.sqrt(k / (k - 1)) * k, R * sympy.sqrt(k / (k - 1)))  # steps 4 and 5


def test_ridge_after_a_spectrum_with_one_group_and_a_spike():
    """Steps 3 to 5 of closed-forms.md#ridge-after-a-spectrum give the section on ridge back."""
    weight, flat = 1 / (1 + C * X), 1 / (1 + X)
    left = 1 / (1 + R**2 * weight)
    turned = flat**2 / DELTA
    s = R * weight * left
    noise2 = turned * (left**2 + s**2) / (1 - turned)
    tau2 = (DELTA * (1 + X) ** 2 - 1) / (1 + (1 + C * X) ** 2 / R**2)
    assert same(s**2 / noise2, tau2)
    penalty = X * (1 - flat / DELTA)
    assert same(DELTA * X**2 + (DELTA - 1 - penalty * DELTA) * X - penalty * DELTA, 0)
