// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

enum PriceStatus {
    Fresh,
    Degraded
}

/// @title The price of one asset: what every oracle adapter answers
interface IPriceAdapter {
    /// @notice The asset's price in WAD USD per whole token. `low == high` where nothing is in doubt. Reverts with a typed
    /// error where there is no price (missing).
    /// @return low never above `high`
    /// @return high
    /// @return time timestamp of the oldest market observation that the price rests on
    /// @return status what the price may be used for: specification, section 9
    function price() external view returns (uint256 low, uint256 high, uint256 time, PriceStatus status);
}
