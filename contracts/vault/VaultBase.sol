// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {IVaultEvents} from "interfaces/IVault.sol";
import {AccountId, Deleverage} from "interfaces/Types.sol";
import {AccountIds} from "../libraries/AccountIds.sol";
import {Configuration} from "../libraries/Configuration.sol";
import {Positions} from "../libraries/Positions.sol";

/// @title Storage, lock and token movements, shared by the rooms of the Vault
abstract contract VaultBase is IVaultEvents, AccessManaged {
    using AccountIds for AccountId;
    using Configuration for Configuration.Asset;

    /// @dev Debt side of an asset, one slot. `shares` hundredths of a unit at index 1, `index` 17 decimals, `ratePerYear` nine.
    struct BorrowState {
        uint112 shares;
        uint72 index;
        uint40 accruedAt;
        uint32 ratePerYear;
    }

    /// @dev Supply side of an asset, one slot. `shares` include what the treasury has not collected yet. Caps are 112 bits: the
    /// wider fields leave room for 256 times as much from interest, so that a repayment never meets the end of a field.
    struct SupplyState {
        uint120 idle;
        uint136 shares;
    }

    /// @dev What close-outs change per collateral, one slot: the penalty splitter's claim (units), and the value (WAD) taken
    /// out of the size bucket and not refilled by `bucketAt`.
    struct SeizureState {
        uint120 protocolClaim;
        uint96 bucketUsedWad;
        uint40 bucketAt;
    }

    /// @dev Gas a token gets to send a leg of a close-out, so that one that burns gas blocks nothing but its own leg.
    uint256 private constant SEND_GAS = 300_000;
    /// @dev The first four bytes of keccak256("transfer(address,uint256)").
    bytes4 private constant TRANSFER = 0xa9059cbb;

    /// @dev The configuration table, and until when the router alone is asked for prices because one may be frozen: one slot.
    address internal _table;
    uint40 internal _askRouterUntil;
    /// @dev Whether `_pauses` says anything: it is looked at only then.
    bool internal _isAnyPaused;
    mapping(uint256 assetId => BorrowState) internal _borrowStates;
    mapping(uint256 assetId => SupplyState) internal _supplyStates;
    mapping(uint256 assetId => SeizureState) internal _seizureStates;
    /// @dev Sum of `_supplyShares` per asset; the difference to `SupplyState.shares` is the treasury's, not collected yet.
    mapping(uint256 assetId => uint256) internal _heldShares;
    mapping(uint256 assetId => mapping(address holder => uint256)) internal _supplyShares;
    mapping(address holder => mapping(uint256 assetId => uint256)) internal _claims;
    mapping(AccountId => Positions.Account) internal _accounts;
    mapping(AccountId => Deleverage) internal _deleverages;
    mapping(address owner => mapping(address operator => bool)) internal _operators;
    /// @dev Borrowing of the assets in the lower half, withdrawing while owing in the upper half.
    uint256 internal _pauses;
    mapping(address owner => uint256) internal _nonces;
    mapping(uint256 assetId => address) internal _supplyTokens;
    /// @dev Asset id plus one.
    mapping(address token => uint256) internal _assetIds;
    /// @dev Bad debt that insolvent accounts will leave of an asset, as far as somebody noted it: token units, in all and by account.
    mapping(uint256 assetId => uint256) internal _expectedLosses;
    mapping(AccountId => mapping(uint256 assetId => uint256)) internal _notedLosses;
    /// @dev The debts of an account's note, as an AssetSet.
    mapping(AccountId => uint256) internal _notedDebts;

    /// @dev 0 or 1: a whole word is written without being read again.
    uint256 private transient _locked;

    /// @dev Transient: units of asset `n` out in flash loans stand at this slot plus `n`.
    uint256 private constant LENT_SLOT = 0x636c6f73656f75742e6c656e7400000000000000000000000000000000000000;

    /// @dev State changes exclude each other, and views refuse to answer in between: what they would tell is not settled.
    modifier nonReentrant() {
        _lock();
        _;
        _unlock();
    }

    modifier whenSettled() {
        if (_locked != 0) revert Reentrancy();
        _;
    }

    function _lock() internal {
        if (_locked != 0) revert Reentrancy();
        _locked = 1;
    }

    function _unlock() internal {
        _locked = 0;
    }

    function _assetAt(address table, uint256 assetId) internal view returns (Configuration.Asset memory asset) {
        _loadAsset(asset, table, assetId);
    }

    /// @dev The same into memory that is there.
    function _loadAsset(Configuration.Asset memory asset, address table, uint256 assetId) internal view {
        asset.load(table, assetId);
        if (asset.riskWord == 0 || assetId >= Configuration.MAX_ASSETS) revert AssetNotListed(assetId);
    }

    /// @dev The token alone.
    function _tokenOf(uint256 assetId) internal view returns (address token) {
        token = Configuration.tokenOf(_table, assetId);
        if (token == address(0) || assetId >= Configuration.MAX_ASSETS) revert AssetNotListed(assetId);
    }

    /// @dev Withdrawing, borrowing and bringing in a new asset are the owner's and his operators'.
    function _requireAuthorized(AccountId account) internal view {
        address owner = account.ownerOf();
        if (msg.sender != owner && !_operators[owner][msg.sender]) revert NotAuthorized(owner, msg.sender);
    }

    /// @dev Takes exactly `amount` from `from`, or reverts: a token that charges a fee or rebases is refused by what it does.
    /// @return balance what the Vault holds of it now
    function _pull(address token, address from, uint256 amount) internal returns (uint256 balance) {
        uint256 before = SafeTransferLib.balanceOf(token, address(this));
        // falls back to the payer's Permit2 allowance
        SafeTransferLib.safeTransferFrom2(token, from, address(this), amount);
        balance = SafeTransferLib.balanceOf(token, address(this));
        uint256 received = balance < before ? 0 : balance - before;
        if (received != amount) revert TransferMismatch(token, amount, received);
    }

    /// @dev Sends a leg of a close-out; where the token refuses, or misbehaves, says so instead of reverting.
    function _trySend(address token, address to, uint256 amount) internal returns (bool isSent) {
        assembly ("memory-safe") {
            let data := mload(0x40)
            mstore(data, TRANSFER)
            mstore(add(data, 4), to)
            mstore(add(data, 36), amount)
            // at most one word of what the token returns is copied: a returned bomb costs nothing
            mstore(0, 1)
            isSent := call(SEND_GAS, token, 0, data, 68, 0, 32)
            isSent := and(isSent, or(iszero(returndatasize()), and(gt(returndatasize(), 31), eq(mload(0), 1))))
        }
    }

    function _lentOf(uint256 assetId) internal view returns (uint256 amount) {
        assembly ("memory-safe") {
            amount := tload(add(LENT_SLOT, assetId))
        }
    }

    function _setLent(uint256 assetId, uint256 amount) internal {
        assembly ("memory-safe") {
            tstore(add(LENT_SLOT, assetId), amount)
        }
    }

    function _creditClaim(address holder, uint256 assetId, uint256 amount) internal {
        _claims[holder][assetId] += amount;
        emit ClaimCredited(holder, assetId, amount);
    }
}
