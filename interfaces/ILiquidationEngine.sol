// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Plan, Snapshot, Terms} from "./Types.sol";

/// @title The close-out plan: a pure function of an account's sums
/// @notice Holds no funds and no state; the Vault checks every plan by bounds of its own.
interface ILiquidationEngine {
    error AccountHealthy(uint256 healthFactor);
    error NothingToClose();
    /// @notice The set would sell more than the whole account would: `tau (1 + beta)`, WAD.
    error SetSellsTooMuch(uint256 sold, uint256 most);
    /// @notice The set would have to go below the smallest penalty to cost no more than the whole account.
    error PenaltyBelowFloor(uint256 penaltyRate, uint256 bonusFloor);
    /// @notice The fill would leave debt worth less than `minDebtValue`. RAY values.
    error FillLeavesDust(uint256 debtValueLeft, uint256 minDebtValue);

    /// @notice How much is repaid and seized: docs/liquidation.md, sections 3 to 5.
    function plan(Snapshot calldata snapshot, Terms calldata terms) external pure returns (Plan memory);
}
