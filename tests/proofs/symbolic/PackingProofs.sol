// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccountId, AssetSet} from "interfaces/Types.sol";
import {AccountIds} from "contracts/libraries/AccountIds.sol";
import {AssetSets} from "contracts/libraries/AssetSets.sol";
import {Positions} from "contracts/libraries/Positions.sol";

/// @title What is packed into a word comes out again, and disturbs nothing beside it
/// @notice Halmos runs each `check_` for all values of its arguments; each `broken_` must have a counter-example.
contract PackingProofs {
    using Positions for Positions.Account;
    using Positions for uint256;

    Positions.Account private _account;

    function check_account_id_is_owner_and_index(address owner, uint96 index) external pure {
        AccountId account = AccountIds.toAccountId(owner, index);
        assert(AccountIds.ownerOf(account) == owner);
        assert(AccountIds.indexOf(account) == index);
    }

    function check_account_ids_of_two_owners_or_indices_differ(address a, uint96 i, address b, uint96 j) external pure {
        bool isSame = AccountId.unwrap(AccountIds.toAccountId(a, i)) == AccountId.unwrap(AccountIds.toAccountId(b, j));
        assert(isSame == (a == b && i == j));
    }

    function check_set_contains_exactly_its_bits(uint128 set, uint8 assetId) external pure {
        bool isIn = AssetSets.contains(AssetSet.wrap(set), assetId);
        assert(isIn == (assetId < 128 && set & (uint128(1) << assetId) != 0));
        assert(AssetSets.isEmpty(AssetSet.wrap(set)) == (set == 0));
        assert(!isIn || !AssetSets.isEmpty(AssetSet.wrap(set)));
    }

    function check_times_in_a_header_disturb_nothing(uint256 header, uint40 called, uint40 acted) external pure {
        uint256 changed = header.withCalledAt(called).withActedAt(acted);
        assert(changed.calledAt() == called && changed.actedAt() == acted);
        uint256 times = ((uint256(1) << 80) - 1) << 128;
        assert(changed & ~times == header & ~times);
        assert(header.withActedAt(acted).withCalledAt(called) == changed);
    }

    /// @dev The list of a header: entries behind the last are zero, as `append` and `removeAt` keep it.
    function check_appended_entry_is_found_where_it_was_put(uint120 list, uint8 count, uint128 rest, uint8 entry)
        external
        pure
    {
        if (count > 4) return;
        uint256 kept = list & ((uint256(1) << (uint256(count) * 8)) - 1);
        uint256 header = kept | (uint256(count) << 120) | (uint256(rest) << 128);
        if (header.find(entry) != Positions.NOT_FOUND) return;
        uint256 longer = header.append(entry);
        assert(longer.count() == uint256(count) + 1);
        assert(longer.find(entry) == count);
        assert(longer >> 128 == rest);
        for (uint256 i; i < count; ++i) {
            assert(longer.entryAt(i) == header.entryAt(i));
        }
        (uint256 collaterals, uint256 debts) = longer.countSides();
        assert(collaterals + debts == uint256(count) + 1);
    }

    function check_balance_that_is_set_changes_no_other(uint128[15] memory held, uint128 balance) external {
        for (uint256 changed; changed < 15; ++changed) {
            for (uint256 i; i < 15; ++i) {
                _account.setBalanceAt(i, held[i]);
            }
            _account.setBalanceAt(changed, balance);
            for (uint256 i; i < 15; ++i) {
                assert(_account.balanceAt(i) == (i == changed ? balance : held[i]));
            }
        }
    }

    /// @dev Inside 128 bits, which sums of amounts and shares of 112 bits do not leave.
    function check_balance_that_is_raised_and_lowered_changes_no_other(uint128[4] memory held, uint128 more) external {
        for (uint256 changed; changed < 4; ++changed) {
            uint256 raised = uint256(held[changed]) + more;
            if (raised > type(uint128).max) return;
            for (uint256 i; i < 4; ++i) {
                _account.setBalanceAt(i, held[i]);
            }
            _account.raiseBalanceAt(changed, more);
            for (uint256 i; i < 4; ++i) {
                assert(_account.balanceAt(i) == (i == changed ? raised : held[i]));
            }
            _account.lowerBalanceAt(changed, more);
            for (uint256 i; i < 4; ++i) {
                assert(_account.balanceAt(i) == held[i]);
            }
        }
    }

    function check_removed_entry_is_gone_and_the_last_takes_its_place(uint24 entries, uint128[3] memory held, uint128 rest)
        external
    {
        for (uint256 gone; gone < 3; ++gone) {
            uint256 header = uint256(entries) | (uint256(3) << 120) | (uint256(rest) << 128);
            for (uint256 i; i < 3; ++i) {
                _account.setBalanceAt(i, held[i]);
            }
            uint256 shorter = _account.removeAt(header, gone);
            assert(shorter.count() == 2 && shorter >> 128 == rest);
            for (uint256 i; i < 2; ++i) {
                uint256 from = i == gone ? 2 : i;
                assert(shorter.entryAt(i) == header.entryAt(from) && _account.balanceAt(i) == held[from]);
            }
            assert(shorter.entryAt(2) == 0 && _account.balanceAt(2) == 0);
        }
    }

    function check_keep_keeps_exactly_what_is_not_zero(uint32 entries, uint128[4] memory held, uint128 rest) external {
        uint256 header = uint256(entries) | (uint256(4) << 120) | (uint256(rest) << 128);
        for (uint256 i; i < 4; ++i) {
            _account.balances[i / 2] = type(uint256).max;
        }
        (uint256 list, uint256 pair, uint256 kept) = (0, 0, 0);
        for (uint256 i; i < 4; ++i) {
            (list, pair) = _account.keep(list, pair, header.entryAt(i), held[i]);
            if (held[i] != 0) ++kept;
            assert(list.count() == kept);
            // that number again, for a prover that addresses slots by numbers only
            list = (list & (type(uint256).max >> 136)) | (kept << 120);
        }
        uint256 stored = _account.finish(header, list, pair);
        assert(stored >> 128 == rest);
        kept = 0;
        for (uint256 i; i < 4; ++i) {
            if (held[i] == 0) continue;
            assert(stored.entryAt(kept) == header.entryAt(i) && _account.balanceAt(kept) == held[i]);
            ++kept;
        }
        assert(stored.count() == kept);
        for (uint256 i = kept; i < 4; ++i) {
            assert(stored.entryAt(i) == 0 && _account.balanceAt(i) == 0);
        }
    }

    // ------------------------------------------------------------------------------------------------- must be refuted

    function broken_index_of_97_bits_comes_out_again(address owner, uint256 index) external pure {
        AccountId account = AccountId.wrap((uint256(uint160(owner)) << 96) | index);
        assert(index >= 1 << 97 || AccountIds.indexOf(account) == index);
    }

    function broken_balance_of_129_bits_changes_no_other(uint128 other, uint256 balance) external {
        _account.setBalanceAt(1, other);
        _account.setBalanceAt(0, balance);
        assert(_account.balanceAt(1) == other);
    }

    function broken_balance_raised_beyond_128_bits_changes_no_other(uint128 held, uint128 other, uint128 more) external {
        _account.setBalanceAt(0, held);
        _account.setBalanceAt(1, other);
        _account.raiseBalanceAt(0, more);
        assert(_account.balanceAt(1) == other);
    }

    function broken_balance_lowered_by_more_than_it_is_changes_no_other(uint128 held, uint128 other, uint128 less) external {
        _account.setBalanceAt(0, held);
        _account.setBalanceAt(1, other);
        _account.lowerBalanceAt(0, less);
        assert(_account.balanceAt(1) == other);
    }

    function broken_time_is_kept_beside_the_other(uint256 header, uint40 called) external pure {
        assert(header.withCalledAt(called).withActedAt(0).actedAt() == header.actedAt());
    }
}
