// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {IOracleRouter} from "interfaces/IOracleRouter.sol";
import {IVolatilityOracle} from "interfaces/IVolatilityOracle.sol";

/// @title VolatilityOracle
/// @notice See interfaces/IVolatilityOracle.sol. No one can set anything: a sample is a fresh price of the router.
contract VolatilityOracle is IVolatilityOracle {
    using FixedPointMathLib for uint256;

    /// @dev The last sample and the mean after it. `varianceWad` annualised.
    struct State {
        uint104 priceWad;
        uint40 time;
        uint112 varianceWad;
    }

    uint256 private constant WAD = 1e18;
    uint256 private constant YEAR = 365 days;
    /// @dev A sample counts for at most this many times the mean: three standard deviations.
    uint256 private constant MAX_SPIKE = 9;
    /// @dev The mean that a first spike is held against: 20 % a year, squared.
    uint256 private constant FLOOR_VARIANCE_WAD = 0.04e18;
    /// @dev Longer than so many time constants ago, a mean says nothing about today.
    uint256 private constant STALE_AFTER = 4;

    IOracleRouter public immutable ROUTER;
    /// @notice Seconds in which the weight of a sample falls to 1/e.
    uint256 public immutable TIME_CONSTANT;
    uint256 public immutable SPACING;
    /// @notice Annualised volatilities at and below which a market is calm, at and above which it is turbulent, WAD.
    uint256 public immutable CALM_WAD;
    uint256 public immutable TURBULENT_WAD;

    mapping(address asset => State) private _states;

    constructor(IOracleRouter router, uint256 timeConstant, uint256 spacing, uint256 calmWad, uint256 turbulentWad) {
        // within hours a single wave is the whole mean; beyond a month it is a constant
        _range("timeConstant", timeConstant, 6 hours, 30 days);
        // closer samples measure a feed's threshold, not its market; with fewer than eight per time constant one of them would decide
        _range("spacing", spacing, 10 minutes, timeConstant / 8);
        _range("turbulent", turbulentWad, 1, 10e18);
        _range("calm", calmWad, 0, turbulentWad - 1);
        (ROUTER, TIME_CONSTANT, SPACING) = (router, timeConstant, spacing);
        (CALM_WAD, TURBULENT_WAD) = (calmWad, turbulentWad);
    }

    /// @inheritdoc IVolatilityOracle
    function poke(address asset) external {
        State memory last = _states[asset];
        if (last.time != 0 && block.timestamp < last.time + SPACING) {
            revert SampledTooSoon(last.time + SPACING, block.timestamp);
        }
        (uint256 priceWad,) = ROUTER.freshPrice(asset);
        (uint256 sample, uint256 variance) = (0, FLOOR_VARIANCE_WAD);
        if (last.time != 0) {
            uint256 elapsed = block.timestamp - last.time;
            sample = _annualised(last.priceWad, priceWad, elapsed);
            variance = _mean(last.varianceWad, sample, elapsed);
        }
        _states[asset] = State(uint104(priceWad), uint40(block.timestamp), uint112(variance));
        emit VolatilitySampled(asset, priceWad, sample, variance);
    }

    /// @inheritdoc IVolatilityOracle
    function volatilityOf(address asset) public view returns (uint256 volatilityWad, uint256 time) {
        State memory last = _states[asset];
        return ((uint256(last.varianceWad) * WAD).sqrt(), last.time);
    }

    /// @inheritdoc IVolatilityOracle
    function targetHealthFactorWad(address asset, uint256 leastWad, uint256 mostWad) external view returns (uint256) {
        (uint256 volatility, uint256 time) = volatilityOf(asset);
        bool isKnown = time != 0 && block.timestamp - time <= STALE_AFTER * TIME_CONSTANT;
        if (!isKnown || volatility <= CALM_WAD || mostWad <= leastWad) return leastWad;
        uint256 above = volatility.min(TURBULENT_WAD) - CALM_WAD;
        return leastWad + (mostWad - leastWad).mulDiv(above, TURBULENT_WAD - CALM_WAD);
    }

    /// @dev The squared log-return, per year.
    function _annualised(uint256 from, uint256 to, uint256 elapsed) private pure returns (uint256) {
        // prices are within [1, 1e30]: a ratio below 1e-18 is as good as that
        int256 change = FixedPointMathLib.lnWad(int256(to.mulDiv(WAD, from).max(1)));
        return uint256(change * change) / WAD * YEAR / elapsed;
    }

    /// @dev A sample weighs by the time it covers, never more than an eighth of the time constant does; a spike counts for a
    /// bounded multiple of the mean. So one sample lifts the mean, or the floor, to less than 1.95 of it, whatever the price does.
    function _mean(uint256 variance, uint256 sample, uint256 elapsed) private view returns (uint256) {
        sample = sample.min(MAX_SPIKE * variance.max(FLOOR_VARIANCE_WAD));
        int256 exponent = int256(elapsed.min(TIME_CONSTANT / 8) * WAD / TIME_CONSTANT);
        uint256 weight = WAD - uint256(FixedPointMathLib.expWad(-exponent));
        return (variance * (WAD - weight) + sample * weight) / WAD;
    }

    function _range(bytes32 parameter, uint256 value, uint256 least, uint256 most) private pure {
        if (value < least || value > most) revert ParameterOutOfRange(parameter, value, least, most);
    }
}
