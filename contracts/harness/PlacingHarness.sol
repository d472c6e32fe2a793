// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {AccountId} from "interfaces/Types.sol";
import {Positions} from "../libraries/Positions.sol";
import {SharesMath} from "../libraries/SharesMath.sol";
import {ValueMath} from "../libraries/ValueMath.sol";
import {VaultBase} from "../vault/VaultBase.sol";

/// @title Puts an account into a Vault's storage as it stands, and reads it back. Tests only
/// @notice Its code is put in the place of a Vault's for a moment, in a simulated block: so an account can have any balances and
/// any interest, and what a close-out left is seen to the debt share.
contract PlacingHarness is VaultBase {
    using Positions for Positions.Account;
    using Positions for uint256;

    constructor() AccessManaged(address(0)) {}

    /// @dev `balance`: token units, or debt shares; `index` and `idle` of a debt's market.
    struct Entry {
        uint256 assetId;
        bool isDebt;
        uint256 balance;
        uint256 index;
        uint256 idle;
    }

    /// @notice The account holds exactly `entries`, in that order; the lender owns all supply behind its debts.
    function place(AccountId account, Entry[] calldata entries, uint256 calledAt, address lender) external {
        Positions.Account storage stored = _accounts[account];
        uint256 header;
        for (uint256 i; i < entries.length; ++i) {
            Entry calldata entry = entries[i];
            header = header.append(entry.isDebt ? entry.assetId | Positions.DEBT_SIDE : entry.assetId);
            stored.setBalanceAt(i, entry.balance);
            if (entry.isDebt) _lend(entry, lender);
        }
        stored.header = header.withCalledAt(calledAt);
    }

    function _lend(Entry calldata entry, address lender) private {
        uint256 assets = entry.idle + ValueMath.toDebtDown(entry.balance, entry.index);
        uint256 shares = assets * SharesMath.VIRTUAL_SHARES;
        _borrowStates[entry.assetId] = BorrowState({
            shares: uint112(entry.balance),
            index: uint72(entry.index),
            accruedAt: uint40(block.timestamp),
            ratePerYear: 0
        });
        _supplyStates[entry.assetId].idle = uint112(entry.idle);
        _supplyStates[entry.assetId].shares = uint128(shares);
        _heldShares[entry.assetId] = shares;
        _supplyShares[entry.assetId][lender] = shares;
    }

    /// @notice Of each asset in turn: collateral units, debt shares; then the time of the margin call.
    function read(AccountId account, uint256 assets) external view returns (uint256[] memory words) {
        Positions.Account storage stored = _accounts[account];
        uint256 header = stored.header;
        words = new uint256[](2 * assets + 1);
        for (uint256 i; i < header.count(); ++i) {
            uint256 entry = header.entryAt(i);
            bool isDebt = entry & Positions.DEBT_SIDE != 0;
            words[2 * (entry & ~Positions.DEBT_SIDE) + (isDebt ? 1 : 0)] = stored.balanceAt(i);
        }
        words[2 * assets] = header.calledAt();
    }
}
