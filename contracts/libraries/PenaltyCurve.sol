// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {WAD} from "./Units.sol";

/// @title The penalty curve
/// @notice docs/liquidation.md, section 3; specification, section 3. Everything WAD, rounded down.
/// @dev Unchecked: `minBonusFraction` is at most 1, `healthForMaxBonus` below 1, `steepness` far from 2^128.
library PenaltyCurve {
    /// @notice The part of `maxBonus` that is due at a health factor: `s(H)`.
    /// @param minBonusFraction the part due at H = 1
    /// @param healthForMaxBonus the health factor at and below which all of it is due
    /// @param steepness 0: a straight line; larger: a curve that reacts early
    function bonusFraction(
        uint256 healthFactor,
        uint256 minBonusFraction,
        uint256 healthForMaxBonus,
        uint256 steepness
    ) internal pure returns (uint256) {
        unchecked {
            if (healthFactor >= WAD) return minBonusFraction;
            uint256 x = FixedPointMathLib.min(WAD, (WAD - healthFactor) * WAD / (WAD - healthForMaxBonus));
            uint256 g = steepness == 0 ? x : (WAD - _decay(steepness * x / WAD)) * WAD / (WAD - _decay(steepness));
            return minBonusFraction + (WAD - minBonusFraction) * g / WAD;
        }
    }

    /// @dev exp(-exponent)
    function _decay(uint256 exponent) private pure returns (uint256) {
        return uint256(FixedPointMathLib.expWad(-int256(exponent)));
    }
}
