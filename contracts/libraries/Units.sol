// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @dev Scales of docs/liquidation.md, section 1.
uint256 constant WAD = 1e18;
uint256 constant BPS = 1e4;
/// @dev Turns bps of a value into WAD of it.
uint256 constant WAD_PER_BPS = 1e14;
/// @dev Turns a WAD value into a RAY value.
uint256 constant RAY_PER_WAD = 1e9;
/// @dev Debt shares per token unit at index 1, times the scale of the index.
uint256 constant SHARES_PER_UNIT = 100;
uint256 constant INDEX_ONE = 1e17;
uint256 constant SHARE_SCALE = SHARES_PER_UNIT * INDEX_ONE;
/// @dev Yearly rates in storage have nine decimals.
uint256 constant RATE_ONE = 1e9;
uint256 constant YEAR = 365 days;
