// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IPriceErrors} from "./IPriceAdapter.sol";

/// @notice A price's status as the protocol sees it: an adapter's two, and that it has no price.
enum Status {
    Fresh,
    Degraded,
    Missing
}

/// @notice ERC-7726, the common quote oracle.
interface IERC7726 {
    error OracleUnsupportedPair(address base, address quote);
    error OracleUntrustedData(address base, address quote);

    /// @notice `baseAmount` of `base` in units of `quote`, rounded down. USD is address(840), with 18 decimals.
    function getQuote(uint256 baseAmount, address base, address quote) external view returns (uint256 quoteAmount);
}

/// @title OracleRouter: which adapter prices an asset, and its last good price
/// @notice Nobody can set a price. Governance chooses adapters, each held against the one it replaces or a reference; the guardian can
/// hold a price at its last good one for a day; anyone records last good prices.
interface IOracleRouter is IERC7726, IPriceErrors {
    error AssetUnknown(address asset);
    /// @notice The new adapter's price, which is not fresh or differs from what it was held against by more than `mostBps`.
    error AdapterNotFresh(address adapter);
    error AdapterDiffers(uint256 priceWad, uint256 referenceWad, uint256 mostBps);
    error PriceNotFresh(address asset);
    error PokedTooSoon(uint256 nextAt, uint256 timestamp);
    error FrozenTooSoon(uint256 nextAt, uint256 timestamp);
    error NotFrozen(address asset);

    event AdapterSet(address indexed asset, address indexed adapter, uint256 priceWad, uint256 referenceWad);
    event JumpBoundSet(address indexed asset, uint256 jumpBps);
    event GoodPriceRecorded(address indexed asset, uint256 priceWad, uint256 time);
    /// @notice A fresh price that jumped: it counts as good once it is seen again.
    event JumpNoted(address indexed asset, uint256 priceWad, uint256 lastGoodWad);
    event MissingNoted(address indexed asset, uint256 since);
    event MissingCleared(address indexed asset);
    event Frozen(address indexed asset, uint256 priceWad, uint256 until);
    event FreezeConfirmed(address indexed asset, uint256 until);
    event Unfrozen(address indexed asset);

    // -------------------------------------------------------------------------------------------------------- prices

    /// @notice Everything the protocol may want to know of an asset's price, whatever its status; prices in WAD USD per whole token.
    /// Reverts only for an asset without an adapter, and where the caller gave too little gas to tell a dead source from his own
    /// stinginess.
    /// @dev Whatever the status, collateral counts at `collateralWad` and debt at `debtWad` where the question is whether an account is
    /// unhealthy. Fresh: all three prices are the same.
    /// @return status
    /// @return collateralWad degraded: the upper end of the doubt. Missing: the last good price, in time cut by the model; may be 0
    /// @return debtWad degraded: the lower end of the doubt. Missing: the last good price
    /// @return exchangeWad amounts are exchanged at this; missing: 0, it cannot be in a set
    /// @return time of the oldest market observation it rests on; missing or frozen: when the last good price was recorded
    function readPrice(address asset)
        external
        view
        returns (Status status, uint256 collateralWad, uint256 debtWad, uint256 exchangeWad, uint256 time);

    /// @notice The price of an asset while fresh; reverts otherwise.
    function freshPrice(address asset) external view returns (uint256 priceWad, uint256 time);

    /// @notice Records the price of an asset as its last good one, where it is fresh; notes that it is missing, where it is. Anyone may.
    function poke(address asset) external;

    // ------------------------------------------------------------------------------------------------------- control

    /// @notice Replaces an asset's adapter by one that agrees with it. Restricted.
    function replace(address asset, address adapter) external;

    /// @notice Gives an asset an adapter that agrees with a stated reference: its first, or where the present one is dead or wrong. The
    /// reference is compared, never used as a price. Restricted.
    function activate(address asset, address adapter, uint256 referenceWad) external;

    /// @notice A fresh price that differs from a recent last good one by more than this is degraded; 0: off. Restricted.
    function setJumpBound(address asset, uint256 jumpBps) external;

    /// @notice Holds an asset's price at its last good one, degraded, for a day; once a week. Restricted (guardian).
    function freeze(address asset) external;

    /// @notice Keeps a freeze in force until `until`. Restricted (governor).
    function confirmFreeze(address asset, uint256 until) external;

    /// @notice Ends a freeze. Restricted (governor).
    function unfreeze(address asset) external;

    // --------------------------------------------------------------------------------------------------------- views

    /// @notice The adapter of an asset; 0 where it has none.
    function adapterOf(address asset) external view returns (address adapter);

    /// @notice The last good price (WAD) and when it was recorded; since when the price is known to be missing, 0 where it is not.
    function lastGoodOf(address asset) external view returns (uint256 priceWad, uint256 recordedAt, uint256 missingSince);

    /// @notice The adapter with what it may use, until when the asset is frozen (a time that is over: not), its jump bound (0: off).
    function sourceOf(address asset)
        external
        view
        returns (address adapter, uint256 gasBound, uint256 frozenUntil, uint256 jumpBps);

    /// @notice Until when any asset may be frozen: who reads feeds in place asks the router instead until then.
    function anyFrozenUntil() external view returns (uint256 until);
}
