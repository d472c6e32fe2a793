// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IPriceAdapter} from "interfaces/IPriceAdapter.sol";

/// @title What adapters share: bounds of arguments, plausibility of results, counting of gas
abstract contract AdapterBase is IPriceAdapter {
    uint256 internal constant WAD = 1e18;
    uint256 internal constant BPS = 1e4;
    /// @dev What the protocol's arithmetic carries: docs/liquidation.md, section 1.
    uint256 internal constant MAX_PRICE_WAD = 1e30;
    /// @dev An adapter's own work beside its calls, generously: dispatch, storage, arithmetic.
    uint256 internal constant OWN_GAS = 30_000;

    function _range(bytes32 parameter, uint256 value, uint256 least, uint256 most) internal pure {
        if (value < least || value > most) revert ParameterOutOfRange(parameter, value, least, most);
    }

    function _plausible(uint256 priceWad) internal pure returns (uint256) {
        if (priceWad == 0 || priceWad > MAX_PRICE_WAD) revert PriceOutOfRange(priceWad, MAX_PRICE_WAD);
        return priceWad;
    }

    /// @dev What must be there so that a call can be given `gasCap`: it gets at most 63/64 of it.
    function _gasFor(uint256 gasCap) internal pure returns (uint256) {
        return gasCap + gasCap / 63 + 1;
    }

    function _min(uint256 a, uint256 b) internal pure returns (uint256) {
        return a < b ? a : b;
    }

    function _max(uint256 a, uint256 b) internal pure returns (uint256) {
        return a > b ? a : b;
    }
}
