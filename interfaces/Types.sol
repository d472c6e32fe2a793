// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice A cross-margin account: the owner's address in the upper 160 bits, an index of his choice in the lower 96.
type AccountId is uint256;

/// @notice A set of listed assets: bit `n` stands for asset id `n`. Naming an asset twice cannot be expressed.
type AssetSet is uint128;

/// @notice How far gone an account is, decided on the whole of it. See docs/liquidation.md, section 4.
enum Regime {
    Healthy,
    Restorative,
    Capped,
    Terminal
}

/// @notice What a repayment is made in: tokens pulled from the payer, or what he has inside the Vault.
enum Payment {
    Tokens,
    SupplyShares,
    Claims
}

/// @notice Sums over one account, over its collateral that has a price, and over the sets that a request selects from it.
/// @dev Values in RAY (1e-27 USD); weighted values in RAY times bps. See docs/liquidation.md, section 2. A set with all the value
/// that has a price is the whole of it: collateral without value is in no set.
struct Snapshot {
    uint256 collateralValue;
    uint256 weightedCollateral;
    uint256 debtValue;
    uint256 pricedCollateralValue;
    uint256 pricedWeightedCollateral;
    uint256 pricedBonusWeightedCollateral;
    uint256 setCollateralValue;
    uint256 setWeightedCollateral;
    uint256 setBonusWeightedCollateral;
    uint256 setDebtValue;
}

/// @notice What the engine is to aim for.
struct Terms {
    uint256 targetHealthFactorWad;
    uint256 bonusFloorWad;
    uint256 minBonusFractionWad;
    uint256 healthForMaxBonusWad;
    uint256 steepnessWad;
    /// RAY value.
    uint256 minDebtValue;
    /// Part of the largest close-out that the liquidator fills, in (0, 1e18].
    uint256 fillWad;
    /// Largest value seized that the size buckets leave, RAY; the largest uint256 where none is in the way.
    uint256 maxSeizedValue;
    /// Self-deleverage: the owner's fixed penalty instead of the curve; 0 in a liquidation.
    uint256 fixedPenaltyWad;
    /// Nobody came while the account was on call: a smaller set may sell more than the whole would.
    bool isBackstop;
    /// The account covers its debt at the prices that decide: none may be written off, whatever the exchange prices say.
    bool isCovered;
}

/// @notice What a close-out is to move. Values in RAY.
struct Plan {
    Regime regime;
    uint256 penaltyRateWad;
    uint256 repaidValue;
    uint256 seizedValue;
    /// Debt value that disappears: equal to `repaidValue` outside the terminal regime.
    uint256 extinguishedValue;
}

/// @notice One collateral of a close-out, in token units.
struct SeizedLeg {
    uint256 assetId;
    uint256 seized;
    /// Part of `seized` that is the protocol's share of the penalty, always booked as a claim.
    uint256 toProtocol;
    /// Part of `seized` that a write-off leaves to the insurance fund, always booked as a claim.
    uint256 toInsurance;
}

/// @notice One debt of a close-out, in token units.
struct RepaidLeg {
    uint256 assetId;
    uint256 repaid;
    /// Debt extinguished beyond `repaid`.
    uint256 badDebt;
    /// Part of `badDebt` that the insurance fund paid; the rest is the lenders'.
    uint256 covered;
}

/// @notice What a close-out did, or would do.
struct CloseOutResult {
    Regime regime;
    /// False where the call only put the account on call.
    bool isExecuted;
    uint256 penaltyRateWad;
    uint256 healthFactorBeforeWad;
    uint256 healthFactorAfterWad;
    SeizedLeg[] seized;
    RepaidLeg[] repaid;
}

/// @notice Token units of a listed asset.
struct AssetAmount {
    uint256 assetId;
    uint256 amount;
}

/// @notice What a liquidator asks for.
struct CloseOutRequest {
    AccountId account;
    AssetSet collaterals;
    AssetSet debts;
    /// Part of the largest close-out to fill, in (0, 1e18].
    uint256 fillWad;
    /// Last timestamp, in seconds, at which the close-out may be executed.
    uint256 deadline;
    /// Receives the liquidator's part of the collateral.
    address receiver;
    /// Collateral to be credited to `receiver` as a claim inside the Vault instead of being sent.
    AssetSet asClaims;
    /// Debts to be repaid from the caller's supply shares, and from his claims; the rest is pulled in tokens.
    AssetSet fromShares;
    AssetSet fromClaims;
    /// Worst price, token units: of no collateral in `leastSeized` the liquidator takes less per unit repaid than its amount
    /// for that of `mostRepaid`, which names every debt. Both empty: any price.
    AssetAmount[] leastSeized;
    AssetAmount[] mostRepaid;
}

/// @notice Moves of one account under one check of its health at the end. Token units.
struct Rebalancing {
    /// Collateral taken out and debts taken on, sent before the callback; 2^256 - 1: all of a collateral.
    AssetAmount[] withdrawals;
    AssetAmount[] borrows;
    /// Collateral put in and debts repaid, pulled after it; 2^256 - 1: all of a debt.
    AssetAmount[] deposits;
    AssetAmount[] repayments;
}

/// @notice An account's self-deleverage: anyone may close it out by the ordinary formula while it is still healthy.
struct Deleverage {
    uint64 triggerHealthFactorWad;
    uint64 targetHealthFactorWad;
    uint64 penaltyWad;
}
