// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {RATE_ONE, WAD, YEAR} from "./Units.sol";

/// @title Compound interest and the kinked rate
/// @notice docs/liquidation.md, section 1, "Accrual". Rates are yearly with nine decimals, utilisation is WAD.
library InterestMath {
    uint256 internal constant MAX_INDEX = type(uint72).max;
    uint256 internal constant MAX_RATE = type(uint32).max;
    /// @dev exp(20) is beyond what an index can grow to; the bound keeps the exponential in its range.
    uint256 private constant MAX_EXPONENT = 20e18;

    /// @notice The index after `elapsed` seconds at `ratePerYear`, rounded up; saturates at `MAX_INDEX` instead of
    /// overflowing, so that a market that nobody touched for a century can still be repaid and closed out.
    function grow(uint256 index, uint256 ratePerYear, uint256 elapsed) internal pure returns (uint256) {
        unchecked {
            if (ratePerYear == 0 || elapsed == 0) return index;
            uint256 exponent = FixedPointMathLib.min(ratePerYear * (WAD / RATE_ONE) * elapsed / YEAR, MAX_EXPONENT);
            uint256 growth = uint256(FixedPointMathLib.expWad(int256(exponent)));
            return FixedPointMathLib.min(FixedPointMathLib.divUp(index * growth, WAD), MAX_INDEX);
        }
    }

    /// @notice Two slopes that meet at `kinkWad`; rounded down, at most `MAX_RATE`.
    /// @dev Unchecked: utilisation and kink are at most 1, base and slopes 32 bits.
    function kinkedRate(uint256 utilisationWad, uint256 base, uint256 slope1, uint256 slope2, uint256 kinkWad)
        internal
        pure
        returns (uint256 ratePerYear)
    {
        unchecked {
            ratePerYear = utilisationWad <= kinkWad
                ? base + (kinkWad == 0 ? 0 : slope1 * utilisationWad / kinkWad)
                : base + slope1 + slope2 * (utilisationWad - kinkWad) / (WAD - kinkWad);
            return FixedPointMathLib.min(ratePerYear, MAX_RATE);
        }
    }
}
