// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Interest-rate model
interface IRateModel {
    /// @notice The yearly borrow rate, nine decimals (1e9 = 100 %), for a utilisation in WAD.
    function ratePerYear(uint256 utilisationWad) external view returns (uint256);
}
