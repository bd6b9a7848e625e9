"""Errors that the whole of `theory` raises."""


class AssumptionError(ValueError):
    """A formula was asked for outside the hypotheses under which it is true."""


class ConvergenceError(RuntimeError):
    """A solver did not reach its tolerance; the message holds the residual and the parameters."""
