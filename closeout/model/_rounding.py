"""Integer division with its rounding in the name. There is no other division in the model."""

MAX_UINT256 = 2**256 - 1


def mul_div_down(x: int, y: int, divisor: int) -> int:
    """`floor(x * y / divisor)`, for a positive divisor; towards minus infinity where a factor is negative."""
    return x * y // divisor


def mul_div_up(x: int, y: int, divisor: int) -> int:
    """`ceil(x * y / divisor)`, for a positive divisor."""
    return -(-x * y // divisor)


def div_up(x: int, divisor: int) -> int:
    """`ceil(x / divisor)`, for a positive divisor."""
    return -(-x // divisor)
