// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Status} from "./IOracleRouter.sol";
import {CurveParameters, LimitParameters, Modules} from "./IRiskConfigurator.sol";
import {AccountId, CloseOutRequest, CloseOutResult, Deleverage} from "./Types.sol";

/// @notice One account as a whole: token units, WAD values, debts rounded up.
struct AccountView {
    uint256[] collateralIds;
    uint256[] collateralAmounts;
    uint256[] debtIds;
    uint256[] debtAmounts;
    uint256 collateralValue;
    uint256 borrowingPower;
    uint256 maintenanceValue;
    uint256 debtValue;
    uint256 healthFactorWad;
    /// Why the values and the health factor are not known, where they are all 0: the error that the Vault's own view reverts with.
    bytes failure;
}

/// @notice What an asset counts at where the question is whether an account is unhealthy, WAD. Missing: the last good price.
struct PriceView {
    Status status;
    uint256 decidingWad;
}

/// @notice One collateral of an account. Token units, WAD prices and values.
struct CollateralView {
    uint256 assetId;
    address token;
    uint256 amount;
    PriceView price;
    /// Rounded down.
    uint256 value;
    uint256 liquidationThresholdBps;
    /// The lowest price at which the account is surely healthy, all else being equal: below it, it can be liquidated. Exact to 1e-18
    /// USD of the account's debt value. 0: no price of this asset alone makes it liquidatable. 2^256 - 1: none makes it healthy, or a
    /// price is missing.
    uint256 liquidationPriceWad;
}

/// @notice One debt of an account. Token units, WAD prices and values.
struct DebtView {
    uint256 assetId;
    address token;
    /// Rounded up.
    uint256 amount;
    PriceView price;
    /// Rounded up.
    uint256 value;
    /// The highest price at which the account is surely healthy, all else being equal. Exact to one unit of each debt. 0: none
    /// makes it healthy, or a price is missing.
    uint256 liquidationPriceWad;
}

/// @notice What a close-out would do now.
struct CloseOutView {
    /// Something would be seized.
    bool isPossible;
    /// What it would revert with; empty where it would not. Empty with `isPossible` false: it would only put the account on call.
    bytes refusal;
    CloseOutResult result;
}

/// @notice Everything about one account.
struct AccountReport {
    AccountView sums;
    CollateralView[] collaterals;
    DebtView[] debts;
    /// Value that can still be borrowed, WAD.
    uint256 borrowableValue;
    /// Time of a margin call, 0 where there is none; time of the last borrow, or withdrawal with debt left.
    uint256 calledAt;
    uint256 actedAt;
    Deleverage deleverage;
    /// Of the whole account, for the whole amount.
    CloseOutView closeOut;
    /// Why the report could not be made at all; empty otherwise. Then nothing else in it means anything.
    bytes failure;
}

/// @notice What an asset's market holds, token units, accrued to now.
struct MarketTotals {
    /// What lenders can take out and borrowers can borrow: the exit liquidity.
    uint256 idle;
    uint256 debt;
    uint256 supplyAssets;
    uint256 supplyShares;
    /// What a whole share, 10^(decimals + 6) of its units, is worth, rounded down.
    uint256 assetsPerShare;
    /// Bad debt that insolvent accounts are noted to leave, and what of it the insurance fund does not hold.
    uint256 expectedLoss;
    uint256 uncoveredLoss;
    /// What the Vault holds beyond idle supply: collateral, claims and what was sent to it by mistake.
    uint256 collateralHeld;
}

/// @notice Yearly rates have nine decimals, compounded continuously.
struct MarketRates {
    uint256 utilisationWad;
    uint256 borrowRatePerYear;
    /// What lenders get at this utilisation, after the reserve factor.
    uint256 supplyRatePerYear;
    /// Debt index, 17 decimals.
    uint256 debtIndex;
    uint256 reserveFactorBps;
    uint256 flashFeeBps;
}

/// @notice An asset as collateral. A cap in token units, and what is left of it.
struct MarketCollateral {
    bool isEnabled;
    uint256 ltvBps;
    /// Now, and where a running ramp leads.
    uint256 liquidationThresholdBps;
    uint256 targetThresholdBps;
    uint256 maxBonusBps;
    uint256 cap;
    uint256 room;
    /// Size bucket, WAD value; 0: none.
    uint256 bucketCapacityWad;
    uint256 bucketRefillWad;
    /// Target health factor in a turbulent market; 0: volatility does not lift it.
    uint256 mostTargetBps;
}

/// @notice An asset to be lent and borrowed. Caps in token units, and what is left of them.
struct MarketBorrowing {
    bool isEnabled;
    uint256 supplyCap;
    uint256 supplyRoom;
    uint256 borrowCap;
    /// Within the cap and what is idle.
    uint256 borrowRoom;
}

/// @notice Everything about one asset.
struct MarketView {
    uint256 assetId;
    address token;
    address supplyToken;
    uint256 decimals;
    /// What amounts are exchanged at, WAD USD per whole token; 0: missing.
    uint256 priceWad;
    Status priceStatus;
    /// What it counts at as collateral, and as debt, where the question is whether an account is unhealthy.
    uint256 collateralPriceWad;
    uint256 debtPriceWad;
    /// Why nothing is known of the price; empty otherwise.
    bytes priceFailure;
    MarketTotals totals;
    MarketRates rates;
    MarketCollateral collateral;
    MarketBorrowing borrowing;
}

/// @notice One lender's supply of one asset.
struct LenderView {
    uint256 shares;
    /// What they are worth, rounded down.
    uint256 assets;
    /// The same to who leaves now: without his part of losses that are noted and not booked yet.
    uint256 exitAssets;
    /// What can be taken out now.
    uint256 withdrawable;
    uint256 idle;
    uint256 utilisationWad;
}

/// @title Lens: what integrators read, one call each
/// @notice Outside the trusted base: it only puts together what the Vault's views, its configuration and its price sources say. Values are
/// WAD USD, amounts token units.
interface ILens {
    /// @notice Stands for the reason of what failed without one: it ran out of gas.
    error Unanswered();

    // ----------------------------------------------------------------------------------------------------- accounts

    /// @notice One account, at the prices that decide.
    function accountOf(AccountId account) external view returns (AccountView memory);

    /// @notice Many accounts, in the order given. One whose values cannot be told says why and fails nobody else.
    function accountsOf(AccountId[] calldata accounts) external view returns (AccountView[] memory);

    /// @notice Everything about one account, at the prices that decide; each with its status.
    function reportOf(AccountId account) external view returns (AccountReport memory);

    /// @notice Everything about many accounts, in the order given. One that fails says why and fails nobody else.
    function reportsOf(AccountId[] calldata accounts) external view returns (AccountReport[] memory);

    // --------------------------------------------------------------------------------------------------- close-outs

    /// @notice What each of these requests would do if it were the only one, to the unit.
    function previewsOf(CloseOutRequest[] calldata requests) external view returns (CloseOutView[] memory);

    /// @notice What closing out all of each account would do.
    function closeOutsOf(AccountId[] calldata accounts) external view returns (CloseOutView[] memory);

    // ------------------------------------------------------------------------------------------------------ markets

    /// @notice One asset.
    function marketOf(uint256 assetId) external view returns (MarketView memory);

    /// @notice All assets, in the order of their ids.
    function markets() external view returns (MarketView[] memory);

    /// @notice A lender's supply, and how much of it he could take out.
    function lenderOf(uint256 assetId, address holder) external view returns (LenderView memory);

    /// @notice What a lender's supply of an asset is worth now, token units, rounded down.
    function supplyAssetsOf(uint256 assetId, address holder) external view returns (uint256);

    // ----------------------------------------------------------------------------------------------------- protocol

    /// @notice The parameters that are not an asset's.
    function protocol()
        external
        view
        returns (Modules memory modules, CurveParameters memory curve, LimitParameters memory limits);
}
