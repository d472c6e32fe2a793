"""The exponential function in WAD, to the bit as Solady's `FixedPointMathLib.expWad` computes it.

A (6, 7)-term rational approximation after taking out powers of two; the algorithm is Remco Bloemen's.
"""

_SMALLEST = -41_446_531_673_892_822_313
_OVERFLOW = 135_305_999_368_893_231_589
_LN2 = 54_916_777_467_707_473_351_141_471_128
_SCALE = 3_822_833_074_963_236_453_042_738_258_902_158_003_155_416_615_667


def _divide_towards_zero(x: int, divisor: int) -> int:
    """Signed division of the EVM (`sdiv`)."""
    quotient = abs(x) // abs(divisor)
    return quotient if (x < 0) == (divisor < 0) else -quotient


def exp_wad(x: int) -> int:
    """`exp(x)`, argument and result in WAD; rounding error below one part in 1e18 plus one unit.

    0 where the result is below half a unit. Raises OverflowError where the EVM function would revert.
    """
    if x <= _SMALLEST:
        return 0
    if x >= _OVERFLOW:
        raise OverflowError(x)
    x = _divide_towards_zero(x << 78, 5**18)
    k = (_divide_towards_zero(x << 96, _LN2) + 2**95) >> 96
    x -= k * _LN2

    y = x + 1_346_386_616_545_796_478_920_950_773_328
    y = ((y * x) >> 96) + 57_155_421_227_552_351_082_224_309_758_442
    p = y + x - 94_201_549_194_550_492_254_356_042_504_812
    p = ((p * y) >> 96) + 28_719_021_644_029_726_153_956_944_680_412_240
    p = p * x + (4_385_272_521_454_847_904_659_076_985_693_276 << 96)

    q = x - 2_855_989_394_907_223_263_936_484_059_900
    q = ((q * x) >> 96) + 50_020_603_652_535_783_019_961_831_881_945
    q = ((q * x) >> 96) - 533_845_033_583_426_703_283_633_433_725_380
    q = ((q * x) >> 96) + 3_604_857_256_930_695_427_073_651_918_091_429
    q = ((q * x) >> 96) - 14_423_608_567_350_463_180_887_372_962_807_573
    q = ((q * x) >> 96) + 26_449_188_498_355_588_339_934_803_723_976_023

    return (_divide_towards_zero(p, q) * _SCALE) >> (195 - k)
