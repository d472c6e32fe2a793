// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice One debt of a liquidation, in the asset's own units.
struct RepaidAsset {
    address asset;
    /// What the liquidator paid.
    uint256 amount;
    /// Debt that disappeared beyond it.
    uint256 badDebt;
    /// What of the bad debt a reserve of the protocol paid; its lenders bear the rest.
    uint256 covered;
}

/// @notice One collateral of a liquidation, in the asset's own units.
struct SeizedAsset {
    address asset;
    /// What the account lost.
    uint256 amount;
    /// What of it is the liquidator's; the protocol keeps the rest.
    uint256 toLiquidator;
}

/// @notice A liquidation, done or previewed.
struct Liquidation {
    RepaidAsset[] repaid;
    SeizedAsset[] seized;
    /// Value seized over value repaid, less one, at the protocol's own prices; the protocol's part included. 1e18 = 100 %.
    uint256 penaltyWad;
    /// 1e18: the border below which an account can be liquidated; 2^256 - 1: no debt.
    uint256 healthBeforeWad;
    uint256 healthAfterWad;
}

/// @title Partial liquidation of a collateralised debt: preview, execute, and one event
/// @notice docs/draft-erc-partial-liquidation.md says what each word means and how lending protocols map onto it.
interface IPartialLiquidation {
    /// @notice An account was liquidated, in part or wholly. The one event of a liquidation, however it was started.
    /// @param account whose debt and collateral it was
    /// @param liquidator who called, and paid
    event PartialLiquidation(
        bytes32 indexed account,
        address indexed liquidator,
        RepaidAsset[] repaid,
        SeizedAsset[] seized,
        uint256 penaltyWad,
        uint256 healthBeforeWad,
        uint256 healthAfterWad
    );

    /// @notice What `liquidate` would do for the same caller, account and terms in this block, to the unit. Reverts where it would.
    /// @param terms what the caller asks for, in an encoding that the protocol documents; empty: the most that is allowed
    function previewLiquidation(bytes32 account, bytes calldata terms) external view returns (Liquidation memory);

    /// @notice Liquidates: takes the repayment from the caller and gives him his part of the collateral.
    function liquidate(bytes32 account, bytes calldata terms) external returns (Liquidation memory);
}
