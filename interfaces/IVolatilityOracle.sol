// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title VolatilityOracle: how turbulent an asset's market is
/// @notice An exponentially weighted mean of squared log-returns of fresh prices, sampled by anyone at a minimum spacing.
/// It moves the target of close-outs and nothing else: no account becomes unhealthy by it.
interface IVolatilityOracle {
    error SampledTooSoon(uint256 nextAt, uint256 timestamp);
    error ParameterOutOfRange(bytes32 parameter, uint256 value, uint256 least, uint256 most);

    /// @param varianceWad annualised, after the sample. @param sampleWad annualised, of the sample alone, before its bound.
    event VolatilitySampled(address indexed asset, uint256 priceWad, uint256 sampleWad, uint256 varianceWad);

    /// @notice Takes a sample. Anyone may; reverts where the price is not fresh, or the last sample too recent.
    function poke(address asset) external;

    /// @notice Annualised volatility in WAD (0.8e18: 80 % a year), and when it was sampled last; both 0 where it never was.
    function volatilityOf(address asset) external view returns (uint256 volatilityWad, uint256 time);

    /// @notice The target health factor at the asset's volatility: `leastWad` in a calm market or one not sampled lately, `mostWad` in a
    /// turbulent one, on a straight line between.
    function targetHealthFactorWad(address asset, uint256 leastWad, uint256 mostWad) external view returns (uint256);
}
