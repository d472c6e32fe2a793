// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {RAY_PER_WAD, SHARE_SCALE, WAD_PER_BPS} from "./Units.sol";

/// @title Values, health and debt shares
/// @notice docs/liquidation.md, sections 1 and 2. Values in RAY, prices in WAD, weighted values in RAY times bps.
/// @dev Unchecked: amounts and shares below 2^120, prices below 2^100, the index below 2^72 (widths of section 1) leave every
/// product below 2^256.
library ValueMath {
    using FixedPointMathLib for uint256;

    /// @dev Takes debt shares, index and a WAD price to a RAY value.
    uint256 private constant SHARE_SCALE_PER_RAY = SHARE_SCALE / RAY_PER_WAD;

    /// @notice Value of a collateral balance, rounded down.
    /// @dev `amount` < 2^112, `priceWad` <= 1e30: the product stays below 2^243.
    /// @param unit token units of a whole token, above 0
    function collateralValue(uint256 amount, uint256 priceWad, uint256 unit) internal pure returns (uint256) {
        unchecked {
            return (amount * RAY_PER_WAD * priceWad).rawDiv(unit);
        }
    }

    /// @notice Value of a debt, from its shares, rounded up.
    /// @param unit token units of a whole token, above 0
    function debtValue(uint256 shares, uint256 index, uint256 priceWad, uint256 unit)
        internal
        pure
        returns (uint256)
    {
        uint256 scaled = shares * index;
        unchecked {
            return scaled.fullMulDivUp(priceWad, unit * SHARE_SCALE_PER_RAY);
        }
    }

    /// @notice Health factor, rounded down; without debt the largest uint256.
    function healthFactor(uint256 weighted, uint256 debt) internal pure returns (uint256) {
        unchecked {
            return debt == 0 ? type(uint256).max : (weighted * WAD_PER_BPS).rawDiv(debt);
        }
    }

    /// @notice Token units owed for debt shares, rounded up.
    function toDebtUp(uint256 shares, uint256 index) internal pure returns (uint256) {
        unchecked {
            return (shares * index).divUp(SHARE_SCALE);
        }
    }

    /// @notice Token units that debt shares stand for, rounded down.
    function toDebtDown(uint256 shares, uint256 index) internal pure returns (uint256) {
        unchecked {
            return shares * index / SHARE_SCALE;
        }
    }

    /// @notice Token units of the fraction `part / whole` of a debt, rounded up once.
    /// @dev A rounded quotient of a quotient, to the same side, is that by the product, which may not fit 256 bits. `part` <= `whole`.
    function debtPartUp(uint256 shares, uint256 index, uint256 part, uint256 whole) internal pure returns (uint256) {
        unchecked {
            return (shares * index).fullMulDivUp(part, whole).divUp(SHARE_SCALE);
        }
    }

    /// @notice Token units of the fraction `part / whole` of a debt, rounded down once.
    function debtPartDown(uint256 shares, uint256 index, uint256 part, uint256 whole) internal pure returns (uint256) {
        unchecked {
            return (shares * index).fullMulDiv(part, whole) / SHARE_SCALE;
        }
    }

    /// @notice Debt shares for token units borrowed, rounded up, against the borrower.
    function toDebtSharesUp(uint256 assets, uint256 index) internal pure returns (uint256) {
        unchecked {
            return (assets * SHARE_SCALE).divUp(index);
        }
    }

    /// @notice Debt shares for token units repaid, rounded down.
    /// @param index at least 1, as of every listed asset
    function toDebtSharesDown(uint256 assets, uint256 index) internal pure returns (uint256) {
        unchecked {
            return (assets * SHARE_SCALE).rawDiv(index);
        }
    }
}
