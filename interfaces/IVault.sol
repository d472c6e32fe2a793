// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {
    AccountId,
    AssetSet,
    CloseOutRequest,
    CloseOutResult,
    Deleverage,
    Payment,
    Rebalancing,
    RepaidLeg,
    SeizedLeg
} from "./Types.sol";
import {Status} from "./IOracleRouter.sol";

/// @notice What the Vault reports: errors as facts with their numbers, and events from which every balance can be rebuilt.
interface IVaultEvents {
    // ------------------------------------------------------------------------------------------------------- errors

    error AssetNotListed(uint256 assetId);
    error AssetNotCollateral(uint256 assetId);
    error AssetNotBorrowable(uint256 assetId);
    /// @notice An account holds an asset as collateral or as debt, not both.
    error AssetHeldAsCollateral(uint256 assetId);
    error AssetHeldAsDebt(uint256 assetId);
    error AssetNotHeld(AccountId account, uint256 assetId);
    error TooManyAssets(uint256 most);
    error ActionPaused(uint256 assetId);
    error ZeroAmount();
    error AmountTooLarge(uint256 amount, uint256 most);
    error CapExceeded(uint256 assetId, uint256 total, uint256 cap);
    error NotAuthorized(address owner, address caller);
    error InsufficientCollateral(uint256 balance, uint256 requested);
    error InsufficientLiquidity(uint256 idle, uint256 requested);
    error InsufficientShares(uint256 balance, uint256 requested);
    error InsufficientClaim(uint256 balance, uint256 requested);
    /// @notice Debt above the sum of `ltv` times collateral value, both WAD values.
    error BelowInitialMargin(uint256 borrowingPower, uint256 debtValue);
    error DebtBelowMinimum(uint256 debtValue, uint256 minimum);
    /// @notice A price of the account is in doubt or missing: nothing is taken out against it.
    error PriceNotFresh(uint256 assetId);
    error TransferMismatch(address token, uint256 expected, uint256 received);
    error Reentrancy();
    error ConfigurationMissing();
    error SignatureExpired(uint256 deadline, uint256 timestamp);
    error SignatureInvalid(address owner);
    error TokenNotListed(address token);
    error NotSupplyToken(uint256 assetId, address caller);
    error SupplyTokenAlreadySet(uint256 assetId);
    error CallbackFailed(address receiver);
    error NonceNotLater(uint256 current, uint256 given);

    // close-outs
    error AccountHealthy(uint256 healthFactor);
    error EmptySet();
    error FillOutOfRange(uint256 fill);
    error DeadlinePassed(uint256 deadline, uint256 timestamp);
    /// @notice The account borrowed or withdrew in this very second.
    error AccountActedNow(uint256 timestamp);
    error GracePeriodRunning(uint256 endsAt, uint256 timestamp);
    error NothingToClose();
    /// @notice A pair gave less per unit repaid than stated; a `collateralId` of 2^256 - 1: the debt is not in `mostRepaid`.
    error SlippageExceeded(uint256 collateralId, uint256 debtId);
    error CollateralNotDust(uint256 collateralValue, uint256 dustValue);
    error AccountNotInsolvent(uint256 collateralValue, uint256 debtValue);
    error MarginCallRefused(uint256 healthFactor, uint256 marginCallHealthFactor);
    error NotOnCall(AccountId account);
    error DeleverageOutOfRange(uint256 triggerWad, uint256 targetWad, uint256 penaltyWad);

    // The Vault's own bounds on a plan, whatever engine made it. RAY values.
    error PlanAboveBalances(uint256 planned, uint256 held);
    error PlanAboveBonus(uint256 seizedValue, uint256 most);
    error PlanLowersHealth(uint256 weightedSeized, uint256 most);
    error PlanAboveMaxTarget(uint256 weightedLeft, uint256 most);
    error PlanExtinguishesTooMuch(uint256 extinguishedValue, uint256 most);

    // ------------------------------------------------------------------------------------------------------- events

    event CollateralDeposited(AccountId indexed account, uint256 indexed assetId, address indexed from, uint256 amount);
    event CollateralWithdrawn(AccountId indexed account, uint256 indexed assetId, address indexed to, uint256 amount);
    event Supplied(
        uint256 indexed assetId, address indexed from, address indexed receiver, uint256 assets, uint256 shares
    );
    /// @notice `receiver` is the Vault itself where the shares paid a repayment: its Repaid or CloseOut puts the assets back.
    event Withdrawn(
        uint256 indexed assetId, address indexed owner, address indexed receiver, uint256 assets, uint256 shares
    );
    event SupplyTransferred(uint256 indexed assetId, address indexed from, address indexed to, uint256 shares);
    event Borrowed(
        AccountId indexed account, uint256 indexed assetId, address indexed to, uint256 amount, uint256 shares
    );
    event Repaid(
        AccountId indexed account, uint256 indexed assetId, address indexed from, uint256 amount, uint256 shares
    );
    /// @notice Interest accrued, or the rate changed, or both: what an asset's market stands at after an action.
    /// @param index debt index, 17 decimals. @param ratePerYear latched for the time to come, nine decimals.
    /// @param feeShares supply shares that are the treasury's, see ReservesCollected.
    event Accrued(uint256 indexed assetId, uint256 index, uint256 ratePerYear, uint256 interest, uint256 feeShares);
    event CloseOut(AccountId indexed account, address indexed liquidator, CloseOutResult result);
    /// @notice Debt that nobody will repay: `covered` by the insurance fund, the rest by the lenders, pro rata.
    event BadDebt(AccountId indexed account, uint256 indexed assetId, uint256 amount, uint256 covered);
    /// @notice What an insolvent account is expected to leave of a debt as bad debt, token units; 0: no longer.
    event InsolvencyNoted(AccountId indexed account, uint256 indexed assetId, uint256 expectedLoss);
    event WrittenOff(AccountId indexed account, SeizedLeg[] collateral, RepaidLeg[] debts);
    event MarginCalled(AccountId indexed account, address indexed caller, uint256 healthFactor);
    event MarginCallCleared(AccountId indexed account, uint256 healthFactor);
    event ClaimCredited(address indexed holder, uint256 indexed assetId, uint256 amount);
    /// @notice `to` is the Vault itself where the claim paid a repayment or covered bad debt.
    event Claimed(address indexed holder, uint256 indexed assetId, address indexed to, uint256 amount);
    /// @notice What close-outs left to the protocol (`toProtocol` of their results) became the splitter's claim.
    event PenaltiesCollected(uint256 indexed assetId, address indexed splitter, uint256 amount);
    /// @notice What accrued as fees (`feeShares` of Accrued) became the treasury's supply shares.
    event ReservesCollected(uint256 indexed assetId, address indexed treasury, uint256 shares);
    event OperatorSet(address indexed owner, address indexed operator, bool isApproved);
    event DeleverageSet(AccountId indexed account, Deleverage terms);
    event FlashLoan(address indexed receiver, uint256 indexed assetId, uint256 amount, uint256 fee);
    event SupplyTokenSet(uint256 indexed assetId, address indexed token);
    event ConfigurationSet(address indexed table);
    event PausesSet(AssetSet borrowing, AssetSet withdrawing);
    event RouterAskedUntil(uint256 until);
}

/// @notice The hot part: what the Vault's own code does.
interface IVaultCore {
    // ---------------------------------------------------------------------------------------------------- borrowers

    /// @notice Puts collateral into an account. Anyone may top up what is there; a new asset only owner or operator.
    /// @dev Reads no price, except that a new asset in an account that owes needs the value of its debts.
    function depositCollateral(AccountId account, uint256 assetId, uint256 amount) external;

    /// @notice Takes collateral out. `amount` may be the largest uint256: all of it. Leaves the initial margin intact.
    function withdrawCollateral(AccountId account, uint256 assetId, uint256 amount, address to)
        external
        returns (uint256 withdrawn);

    /// @notice Borrows `amount` against the whole account. Leaves the initial margin intact.
    function borrow(AccountId account, uint256 assetId, uint256 amount, address to) external returns (uint256 shares);

    /// @notice Repays up to `amount` of a debt, from the caller; clamped to the debt. Anyone may. Reads no price.
    function repay(AccountId account, uint256 assetId, uint256 amount) external returns (uint256 repaid);

    // --------------------------------------------------------------------------------------------------- close-outs

    /// @notice Closes out an unhealthy account: the same fraction of every selected debt and collateral.
    /// @dev Collateral is sent first; then, where `data` is not empty, `ICloseOutCallback.onCloseOut` of the caller runs; then
    /// the repayment is taken from the caller.
    function closeOut(CloseOutRequest calldata request, bytes calldata data)
        external
        returns (CloseOutResult memory result);

    /// @notice What `closeOut` would do for the same request in this block, to the unit; reverts as it would.
    function previewCloseOut(CloseOutRequest calldata request) external view returns (CloseOutResult memory result);

    /// @notice WAD sums at the prices that decide: collateral value, borrowing power (ltv), maintenance value (t), debt value; and the health factor.
    function healthOf(AccountId account)
        external
        view
        returns (
            uint256 collateralValue,
            uint256 borrowingPower,
            uint256 maintenanceValue,
            uint256 debtValue,
            uint256 healthFactorWad
        );

    /// @notice Ends an insolvent account whose collateral is worth less than `dustValue`, or nothing: what tokens are left become the
    /// insurance fund's, all debt is bad debt.
    function writeOff(AccountId account) external;
}

/// @notice The rest, in the code of the VaultExtension: called on the Vault like everything else.
interface IVaultExtension {
    // -------------------------------------------------------------------------------------------------- close-outs

    /// @notice Puts an account below `marginCallHealthFactor` on call. Anyone may.
    function marginCall(AccountId account) external;

    /// @notice Opts an account in to being deleveraged early; all zero opts it out. Only its owner, not an operator.
    function setDeleverage(AccountId account, Deleverage calldata terms) external;

    /// @notice Notes what a whole close-out of an insolvent account would leave as bad debt now; lifts the note of one that is solvent again,
    /// and brings it to the state of now. Anyone may, without capital. From then on lenders who leave (withdraw, redeem, repay from shares) leave
    /// behind their part of what the insurance fund does not cover.
    function noteInsolvency(AccountId account) external;

    /// @notice Clears the call of an account that is back at `marginCallHealthFactor`. Anyone may.
    function clearMarginCall(AccountId account) external;

    // --------------------------------------------------------------------------------------------------- borrowers

    /// @notice Repays up to `amount` of a debt from what the caller has inside the Vault: no token moves.
    function repayWith(AccountId account, uint256 assetId, uint256 amount, Payment payment)
        external
        returns (uint256 repaid);

    /// @notice Repays at least `shares` of a debt, clamped to it; tokens rounded up.
    function repayShares(AccountId account, uint256 assetId, uint256 shares) external returns (uint256 repaid);

    /// @notice Borrows what at most `shares` of debt stand for; tokens rounded down.
    function borrowShares(AccountId account, uint256 assetId, uint256 shares, address to)
        external
        returns (uint256 amount);

    /// @notice Rebuilds an account in one call: takes out, calls `IRebalanceCallback.onRebalance` of the caller where `data` is not
    /// empty, takes in, and checks the initial margin once, at the end. How a borrower repays from his own collateral, or swaps
    /// one collateral or debt for another, at his own price and without capital.
    function rebalance(AccountId account, Rebalancing calldata moves, address receiver, bytes calldata data) external;

    // ------------------------------------------------------------------------------------------------------ lenders

    /// @notice Supplies `assets` to be borrowed. Shares are rounded down.
    function supply(uint256 assetId, uint256 assets, address receiver) external returns (uint256 shares);

    /// @notice Supplies what exactly `shares` cost. Assets are rounded up.
    function mint(uint256 assetId, uint256 shares, address receiver) external returns (uint256 assets);

    /// @notice Takes `assets` of supply out. Shares burnt are rounded up. Limited to idle liquidity.
    /// @dev Called by the owner, or by the asset's SupplyToken, which keeps the allowances.
    function withdraw(uint256 assetId, uint256 assets, address receiver, address owner)
        external
        returns (uint256 shares);

    /// @notice Burns `shares` of supply for assets, rounded down. Limited to idle liquidity.
    function redeem(uint256 assetId, uint256 shares, address receiver, address owner) external returns (uint256 assets);

    /// @notice Moves supply shares. Only the asset's SupplyToken may, which keeps the allowances.
    function transferSupply(uint256 assetId, address from, address to, uint256 shares) external;

    /// @notice ERC-3156: lends idle supply within the transaction. The Vault can be used inside.
    function flashLoan(address receiver, address token, uint256 amount, bytes calldata data) external returns (bool);

    /// @notice ERC-3156: idle supply of a token; 0 where it is not listed.
    function maxFlashLoan(address token) external view returns (uint256);

    /// @notice ERC-3156: the fee, token units, rounded up.
    function flashFee(address token, uint256 amount) external view returns (uint256);

    // ------------------------------------------------------------------------------------------------------- claims

    /// @notice Pays out `amount` of the caller's claims.
    function claim(uint256 assetId, uint256 amount, address to) external;

    /// @notice Books tokens of the caller as a claim of `holder`. How an insurance fund is filled.
    function creditClaim(uint256 assetId, uint256 amount, address holder) external;

    // ---------------------------------------------------------------------------------------------------- operators

    /// @notice Lets `operator` act for all of the caller's accounts, or no longer.
    function setOperator(address operator, bool isApproved) external;

    /// @notice The same by the owner's EIP-712 signature (or ERC-1271): `Operator(address owner,address operator,bool isApproved,uint256
    /// nonce,uint256 deadline)`.
    function setOperatorBySig(
        address owner,
        address operator,
        bool isApproved,
        uint256 deadline,
        bytes calldata signature
    ) external;

    /// @notice Makes a later number of the owner's the next nonce, so that signatures given away are void.
    function invalidateNonces(uint256 next) external;

    /// @notice Gives the Vault an allowance of the caller's tokens by signature: ERC-2612, or Permit2 where the token has none.
    /// Meant to stand first in a multicall.
    function permit(address token, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;

    // ------------------------------------------------------------------------------------------------------ control

    /// @notice Plugs in a new configuration table. Restricted to the role of the RiskConfigurator.
    function setConfiguration(address table) external;

    /// @notice Registers an asset's SupplyToken, once. Restricted.
    function setSupplyToken(uint256 assetId, address token) external;

    /// @notice Until then no feed is read in place: the router alone says what is worth what. Restricted to the router, which calls it when
    /// a price is frozen.
    function askRouterUntil(uint40 until) external;

    /// @notice Stops borrowing of, and withdrawing while owing from, the assets in the two sets. Restricted.
    function setPauses(AssetSet borrowing, AssetSet withdrawing) external;

    // -------------------------------------------------------------------------------------------------------- views

    /// @notice The code of this contract is the protocol's configuration: see libraries/Configuration.sol.
    function configuration() external view returns (address table);

    /// @notice What an account holds: asset ids with collateral amounts, asset ids with debts in units, rounded up.
    function positionOf(AccountId account)
        external
        view
        returns (
            uint256[] memory collateralIds,
            uint256[] memory collateralAmounts,
            uint256[] memory debtIds,
            uint256[] memory debtAmounts
        );

    /// @notice An asset's price as the Vault sees it, WAD: what it counts at as collateral and as debt where the question is whether an
    /// account is unhealthy, and what amounts are exchanged at, 0 where it is missing. All the same while fresh.
    function priceOf(uint256 assetId)
        external
        view
        returns (Status status, uint256 collateralWad, uint256 debtWad, uint256 exchangeWad);

    /// @return calledAt time of a margin call that still stands, 0 where there is none.
    /// @return actedAt time of the last borrow, or withdrawal with debt left.
    function timesOf(AccountId account) external view returns (uint256 calledAt, uint256 actedAt);

    /// @notice The market of one asset, accrued to now: idle liquidity, total debt, supply shares, index (17 decimals), latched
    /// yearly rate (nine decimals). Supply assets are `idle + debt`.
    function marketOf(uint256 assetId)
        external
        view
        returns (uint256 idle, uint256 debt, uint256 supplyShares, uint256 index, uint256 ratePerYear);

    /// @notice Losses of an asset that are noted and not booked, token units: all, and what of them the insurance fund does not hold.
    function expectedLossOf(uint256 assetId) external view returns (uint256 expected, uint256 uncovered);

    /// @notice What is noted of one debt of an account, token units.
    function notedLossOf(AccountId account, uint256 assetId) external view returns (uint256);

    /// @notice An account's self-deleverage; all zero where it did not opt in.
    function deleverageOf(AccountId account) external view returns (Deleverage memory terms);

    function supplySharesOf(uint256 assetId, address holder) external view returns (uint256 shares);

    function claimOf(address holder, uint256 assetId) external view returns (uint256 amount);

    function isOperator(address owner, address operator) external view returns (bool);

    function nonceOf(address owner) external view returns (uint256);

    /// @notice The ERC-4626 face of an asset's supply.
    function supplyTokenOf(uint256 assetId) external view returns (address);

    /// @notice The id of a listed token; reverts where it is not listed.
    function assetIdOf(address token) external view returns (uint256);
}

/// @title The Vault: custody, accounts, supply, debts and close-outs
/// @notice The only holder of user funds. Amounts are token units, values and health factors WAD, rates WAD, unless a
/// name says otherwise. Assets are named by their id: the order in which they were listed.
///
/// What is assumed of a token: its balances change only by transfers; a transfer that reports success moved exactly the
/// amount. Tokens that charge a fee or rebase are refused when they show it. A token that reverts, returns false, pauses
/// or blacklists may do so at any time; it blocks its own leg and nothing else.
/// What is assumed of a price source: nothing, beyond the gas it is given; see docs/oracles.md.
interface IVault is IVaultEvents, IVaultCore, IVaultExtension {}
