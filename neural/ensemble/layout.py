"""Memory layout of an ensemble.

Every member is padded to the same alignment, so that its result is bit-identical at any position in the stack.
"""

from dataclasses import dataclass

CACHE_LINE = 16  # float32 numbers
_VECTORS = 32  # float32 numbers in the two longest vectors, which loops unroll
_PAGE = 2048  # bytes


@dataclass(frozen=True)
class Layout:
    """Padded sizes of a member's arrays in memory. The padding stays zero.

    A matrix product may round differently when its operands are aligned differently, and a vectorised loop may round
    differently in its last, incomplete vector. Therefore every member's array starts at a multiple of 64 bytes and
    fills whole vectors. The row length is kept off multiples of 2048 bytes, because such rows compete for the same
    sets of the processor's cache.

    Attributes
    ----------
    dim, width, embed_dim : int
        At least the true sizes.
    half : int
        Columns of one view, of which the first `batch` are used.
    columns : int
        Columns of both views, one after the other; at least 2 `half`.
    """

    dim: int
    width: int
    embed_dim: int
    half: int
    columns: int

    @classmethod
    def of(cls, dim: int, width: int, embed_dim: int, batch: int, *, bias: bool, itemsize: int) -> "Layout":
        """Layout for members of these true sizes.

        Parameters
        ----------
        dim, width, embed_dim, batch : int >= 1
        bias : bool
            Whether the network has biases.
        itemsize : int
            Bytes per number.
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
    """Smallest multiple of `multiple` that is at least n."""
    return -(-n // multiple) * multiple
