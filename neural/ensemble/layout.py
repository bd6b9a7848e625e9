"""Memory layout of an ensemble: every member alike, so that its arithmetic does not depend on its place."""

from dataclasses import dataclass

CACHE_LINE = 16  # float32 numbers
_VECTORS = 32  # float32 numbers in the two longest vectors, which loops unroll
_PAGE = 2048  # bytes


@dataclass(frozen=True)
class Layout:
    """Sizes of a member's arrays in memory; what they have beyond the true sizes stays zero.

    Matrix products may round differently at another alignment, and vectorised loops in their last, incomplete
    vectors. Here every member's array starts at a multiple of 64 bytes and fills whole vectors. And a row of
    `columns` numbers is not a multiple of 2048 bytes: such rows would compete for the same sets of the cache.

    Attributes
    ----------
    dim, width, embed_dim : int
        At least the true ones.
    half : int
        Columns of one view; the first `batch` of them are used.
    columns : int
        Of both views, one after the other; at least 2 half.
    """

    dim: int
    width: int
    embed_dim: int
    half: int
    columns: int

    @classmethod
    def of(cls, dim: int, width: int, embed_dim: int, batch: int, *, bias: bool, itemsize: int) -> "Layout":
        """Layout of members of these true sizes.

        Parameters
        ----------
        dim, width, embed_dim, batch : int >= 1
        bias : bool
            Whether there are arrays of `width` and of `embed_dim` numbers too.
        itemsize : int
            Bytes of a number.
        """
        half = round_up(batch, CACHE_LINE)
        gap = 0 if 2 * half * itemsize % _PAGE else CACHE_LINE
        return cls(
            dim=round_up(dim, 2),
            width=round_up(width, _VECTORS if bias else CACHE_LINE),
            embed_dim=round_up(embed_dim, _VECTORS if bias else 4),
            half=half,
            columns=2 * half + gap,
        )


def round_up(n: int, multiple: int) -> int:
    """Least multiple of `multiple` that is at least n."""
    return -(-n // multiple) * multiple
