// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IUniswapV3Pool} from "@uniswap/v3-core/contracts/interfaces/IUniswapV3Pool.sol";
import {
    IUniswapV3PoolDerivedState
} from "@uniswap/v3-core/contracts/interfaces/pool/IUniswapV3PoolDerivedState.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {IPriceAdapter, PriceStatus} from "interfaces/IPriceAdapter.sol";
import {AdapterBase} from "./AdapterBase.sol";
import {BoundedCall, Quote} from "./BoundedCall.sol";

/// @notice Window and block time in seconds, liquidities in the pool's own unit.
struct TwapParameters {
    uint32 window;
    /// The shortest time between two blocks: the pool writes at most one observation per block.
    uint32 blockTime;
    /// Harmonic-mean liquidity over the window: below the first the price is degraded, below the second missing.
    uint128 safeLiquidity;
    uint128 leastLiquidity;
}

/// @title UniswapV3TwapAdapter: the time-weighted average price of a token in a Uniswap V3 pool, times the other token's price
/// @notice The geometric mean over the window. What it costs to move it is in docs/oracles.md, measured.
contract UniswapV3TwapAdapter is AdapterBase {
    using FixedPointMathLib for uint256;

    /// @dev Gas the pool gets: `observe` searches up to 65 535 observations, 16 cold slots for each of two times.
    uint256 private constant POOL_GAS = 300_000;
    /// @dev Shorter, a whole window can be bought within a few blocks.
    uint256 private constant MIN_WINDOW = 10 minutes;
    /// @dev Longer, the price lags behind a crash for too long to close anything out in time.
    uint256 private constant MAX_WINDOW = 4 hours;
    /// @dev Ticks of Uniswap V3 run from -887 272 to 887 272.
    int256 private constant MAX_TICK = 887_272;
    /// @dev Natural logarithm of 1.0001 with 36 decimals: a tick is a factor of 1.0001.
    int256 private constant LN_TICK_E36 = 99_995_000_333_308_335_333_166_680_951_131;

    address public immutable POOL;
    address public immutable QUOTE_ADAPTER;
    uint256 public immutable WINDOW;
    uint256 public immutable SAFE_LIQUIDITY;
    uint256 public immutable LEAST_LIQUIDITY;
    /// @dev The pool's tick is the logarithm of token 1 per token 0.
    bool public immutable IS_BASE_TOKEN0;
    uint256 private immutable _BASE_UNIT;
    uint256 private immutable _QUOTE_UNIT;
    uint256 private immutable _QUOTE_GAS;
    /// @inheritdoc IPriceAdapter
    uint256 public immutable gasBound;

    /// @param base the token of the pool that is priced
    /// @param quoteAdapter prices the other one in USD
    constructor(IUniswapV3Pool pool, address base, IPriceAdapter quoteAdapter, TwapParameters memory parameters) {
        _range("window", parameters.window, MIN_WINDOW, MAX_WINDOW);
        _range("blockTime", parameters.blockTime, 1, 60);
        // a floor of nothing would believe an empty pool
        _range("leastLiquidity", parameters.leastLiquidity, 1, parameters.safeLiquidity);
        // with fewer observations than blocks in the window a swap per block would push its start out of the pool's memory
        (,,, uint16 cardinality,,,) = pool.slot0();
        _range("cardinality", cardinality, parameters.window / parameters.blockTime + 2, type(uint16).max);

        (address token0, address token1) = (pool.token0(), pool.token1());
        bool isToken0 = base == token0;
        if (!isToken0 && base != token1) revert SourceMissing(base);
        _BASE_UNIT = 10 ** _decimals(base);
        _QUOTE_UNIT = 10 ** _decimals(isToken0 ? token1 : token0);
        IS_BASE_TOKEN0 = isToken0;
        (POOL, WINDOW, QUOTE_ADAPTER) = (address(pool), parameters.window, address(quoteAdapter));
        (SAFE_LIQUIDITY, LEAST_LIQUIDITY) = (parameters.safeLiquidity, parameters.leastLiquidity);
        _QUOTE_GAS = quoteAdapter.gasBound();
        gasBound = OWN_GAS + _gasFor(POOL_GAS) + _gasFor(_QUOTE_GAS);
    }

    /// @inheritdoc IPriceAdapter
    function price() external view returns (uint256 low, uint256 high, uint256 time, PriceStatus status) {
        (uint256 rateWad, uint256 liquidity) = _rate();
        Quote memory quote = BoundedCall.readPrice(QUOTE_ADAPTER, _QUOTE_GAS);
        bool isSure = liquidity >= SAFE_LIQUIDITY && quote.status == PriceStatus.Fresh;
        low = _plausible(rateWad.fullMulDiv(quote.low, WAD));
        high = isSure ? low : _plausible(rateWad.fullMulDiv(quote.high, WAD));
        time = _min(block.timestamp - WINDOW, quote.time);
        status = isSure ? PriceStatus.Fresh : PriceStatus.Degraded;
    }

    /// @inheritdoc IPriceAdapter
    function primaryPrice() external view returns (uint256 priceWad) {
        (uint256 rateWad,) = _rate();
        return _plausible(rateWad.fullMulDiv(BoundedCall.readPrimary(QUOTE_ADAPTER, _QUOTE_GAS), WAD));
    }

    /// @notice The pool's mean over the window: WAD of quote token per whole base token, and the harmonic-mean liquidity.
    function mean() external view returns (uint256 rateWad, uint256 liquidity) {
        return _rate();
    }

    function _rate() private view returns (uint256 rateWad, uint256 liquidity) {
        int256 tick;
        (tick, liquidity) = _observe();
        if (liquidity < LEAST_LIQUIDITY) revert LiquidityTooThin(liquidity, LEAST_LIQUIDITY);
        if (!IS_BASE_TOKEN0) tick = -tick;
        // the larger of the ratio and its inverse, which an exponential in WAD carries to 18 digits
        int256 exponent = (tick < 0 ? -tick : tick) * LN_TICK_E36 / 1e18;
        uint256 ratio = uint256(FixedPointMathLib.expWad(exponent));
        // at most 1e57; a product above 1e76 is above any price, and what follows stays within 256 bits
        if (tick >= 0 && ratio > 1e76 / _BASE_UNIT) revert PriceOutOfRange(ratio, 1e76 / _BASE_UNIT);
        rateWad = (tick < 0 ? 1e36 * _BASE_UNIT / ratio : ratio * _BASE_UNIT) / _QUOTE_UNIT;
        if (rateWad == 0 || rateWad > 1e60) revert PriceOutOfRange(rateWad, 1e60);
    }

    /// @dev Mean tick, rounded towards minus infinity, and harmonic-mean liquidity over the window. The pool's cumulative figures
    /// wrap around by design.
    function _observe() private view returns (int256 tick, uint256 liquidity) {
        uint32[] memory ago = new uint32[](2);
        ago[0] = uint32(WINDOW);
        uint256[] memory answer = new uint256[](8);
        bool isAnswered =
            BoundedCall.tryRead(POOL, POOL_GAS, abi.encodeCall(IUniswapV3PoolDerivedState.observe, (ago)), answer);
        // two arrays of two: their offsets and lengths
        if (!isAnswered || answer[0] != 64 || answer[1] != 160 || answer[2] != 2 || answer[5] != 2) {
            revert SourceMissing(POOL);
        }
        unchecked {
            int256 sum = int56(int256(answer[4] - answer[3]));
            int256 window = int256(WINDOW);
            tick = sum / window;
            if (sum < 0 && sum % window != 0) --tick;
            uint256 secondsPerLiquidity = uint160(answer[7] - answer[6]);
            liquidity = secondsPerLiquidity == 0 ? type(uint128).max : (WINDOW << 128) / secondsPerLiquidity;
        }
        if (tick < -MAX_TICK || tick > MAX_TICK) revert AnswerOutOfBounds(tick, -MAX_TICK, MAX_TICK);
    }

    function _decimals(address token) private view returns (uint256 decimals) {
        decimals = IERC20Metadata(token).decimals();
        _range("decimals", decimals, 0, 27);
    }
}
