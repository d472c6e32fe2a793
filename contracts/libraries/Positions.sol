// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title What an account holds: a header with a list of its assets, and their balances, two to a slot
/// @notice Header, from the lowest bit: 15 entries of 8 bits, number of entries 8, time of the margin call 40, time of
/// the last borrow or withdrawal with debt left 40, flags 8. An entry is an asset id (7 bits) and the side (top bit: debt).
/// Balances stand in the order of the entries: collateral in token units, debts in debt shares.
/// @dev Unchecked: counts stay below 16, and places come from a count or from `find`.
library Positions {
    uint256 internal constant MAX_COLLATERALS = 10;
    uint256 internal constant MAX_DEBTS = 5;
    uint256 internal constant DEBT_SIDE = 0x80;
    uint256 internal constant NOT_FOUND = type(uint256).max;

    uint256 private constant COUNT_SHIFT = 120;
    uint256 private constant CALLED_SHIFT = 128;
    uint256 private constant ACTED_SHIFT = 168;
    uint256 private constant FLAGS_SHIFT = 208;
    uint256 private constant LIST_MASK = (1 << 128) - 1;
    /// @dev The side of each of the 15 entries.
    uint256 private constant DEBT_SIDES = 0x808080808080808080808080808080;

    uint256 internal constant FLAG_DELEVERAGE = 1 << FLAGS_SHIFT;

    struct Account {
        uint256 header;
        uint256[8] balances;
    }

    // ------------------------------------------------------------------------------------------------------ header

    function count(uint256 header) internal pure returns (uint256) {
        return uint8(header >> COUNT_SHIFT);
    }

    /// @return entry asset id, with `DEBT_SIDE` set where it is a debt
    function entryAt(uint256 header, uint256 index) internal pure returns (uint256 entry) {
        unchecked {
            return uint8(header >> (index * 8));
        }
    }

    function calledAt(uint256 header) internal pure returns (uint256) {
        return uint40(header >> CALLED_SHIFT);
    }

    function actedAt(uint256 header) internal pure returns (uint256) {
        return uint40(header >> ACTED_SHIFT);
    }

    function withCalledAt(uint256 header, uint256 timestamp) internal pure returns (uint256) {
        return (header & ~(uint256(type(uint40).max) << CALLED_SHIFT)) | (uint256(uint40(timestamp)) << CALLED_SHIFT);
    }

    function withActedAt(uint256 header, uint256 timestamp) internal pure returns (uint256) {
        return (header & ~(uint256(type(uint40).max) << ACTED_SHIFT)) | (uint256(uint40(timestamp)) << ACTED_SHIFT);
    }

    /// @notice Where `entry` stands in the list, or `NOT_FOUND`.
    function find(uint256 header, uint256 entry) internal pure returns (uint256) {
        unchecked {
            uint256 entries = count(header);
            for (uint256 i; i < entries; ++i) {
                if (entryAt(header, i) == entry) return i;
            }
            return NOT_FOUND;
        }
    }

    /// @notice Where an asset stands in the list, or `NOT_FOUND`, and on which side.
    function findAsset(uint256 header, uint256 assetId) internal pure returns (uint256 place, bool isDebt) {
        unchecked {
            uint256 entries = count(header);
            for (uint256 i; i < entries; ++i) {
                uint256 entry = entryAt(header, i);
                if (entry & ~DEBT_SIDE == assetId) return (i, entry != assetId);
            }
            return (NOT_FOUND, false);
        }
    }

    /// @notice Whether the list has a debt.
    function hasDebts(uint256 header) internal pure returns (bool) {
        return header & DEBT_SIDES != 0;
    }

    /// @notice How many collaterals and debts the list has.
    function countSides(uint256 header) internal pure returns (uint256 collaterals, uint256 debts) {
        unchecked {
            uint256 entries = count(header);
            for (uint256 i; i < entries; ++i) {
                if (entryAt(header, i) & DEBT_SIDE != 0) ++debts;
            }
            collaterals = entries - debts;
        }
    }

    /// @notice The header with `entry` appended to its list.
    function append(uint256 header, uint256 entry) internal pure returns (uint256) {
        unchecked {
            uint256 entries = count(header);
            // the place behind the last entry is zero: entries are cleared when they are removed
            return (header | (entry << (entries * 8))) + (uint256(1) << COUNT_SHIFT);
        }
    }

    // ---------------------------------------------------------------------------------------------------- balances

    /// @notice The slot of two balances, the earlier one in the lower half.
    /// @dev Without the bounds of the array: `index` is half a place.
    function pairAt(Account storage account, uint256 index) internal view returns (uint256 pair) {
        assembly ("memory-safe") {
            pair := sload(add(add(account.slot, 1), index))
        }
    }

    function setPairAt(Account storage account, uint256 index, uint256 pair) internal {
        assembly ("memory-safe") {
            sstore(add(add(account.slot, 1), index), pair)
        }
    }

    function balanceAt(Account storage account, uint256 index) internal view returns (uint256) {
        unchecked {
            uint256 pair = pairAt(account, index / 2);
            return index & 1 == 0 ? uint128(pair) : pair >> 128;
        }
    }

    /// @dev `balance` < 2^128: callers bound amounts and shares by 112 bits.
    function setBalanceAt(Account storage account, uint256 index, uint256 balance) internal {
        unchecked {
            uint256 pair = pairAt(account, index / 2);
            setPairAt(
                account, index / 2, index & 1 == 0 ? (pair >> 128 << 128) | balance : uint128(pair) | (balance << 128)
            );
        }
    }

    /// @dev The sum stays below 2^128, see `setBalanceAt`: it does not reach the other half.
    function raiseBalanceAt(Account storage account, uint256 index, uint256 amount) internal {
        unchecked {
            setPairAt(account, index / 2, pairAt(account, index / 2) + (amount << (index & 1) * 128));
        }
    }

    /// @dev `amount` is at most the balance.
    function lowerBalanceAt(Account storage account, uint256 index, uint256 amount) internal {
        unchecked {
            setPairAt(account, index / 2, pairAt(account, index / 2) - (amount << (index & 1) * 128));
        }
    }

    /// @notice Takes an entry with its balance out of the list; the last one moves into its place.
    /// @return the header without it, to be stored by the caller
    function removeAt(Account storage account, uint256 header, uint256 index) internal returns (uint256) {
        unchecked {
            uint256 last = count(header) - 1;
            if (index != last) {
                setBalanceAt(account, index, balanceAt(account, last));
                header = (header & ~(uint256(0xff) << (index * 8))) | (entryAt(header, last) << (index * 8));
            }
            setBalanceAt(account, last, 0);
            return (header & ~(uint256(0xff) << (last * 8))) - (uint256(1) << COUNT_SHIFT);
        }
    }

    /// @notice A list is written anew, one entry after the other in their old order: those with a balance of 0 are left out.
    /// @param list what is kept so far: entries and their number, as in a header; 0 to begin with
    /// @param pair the balance that waits for its neighbour in the slot
    /// @return list and pair for the next entry, or for `finish`
    function keep(Account storage account, uint256 list, uint256 pair, uint256 entry, uint256 balance)
        internal
        returns (uint256, uint256)
    {
        unchecked {
            if (balance == 0) return (list, pair);
            uint256 kept = count(list);
            if (kept & 1 == 0) pair = balance;
            else setPairAt(account, kept / 2, pair | (balance << 128));
            return (append(list, entry), pair);
        }
    }

    /// @notice Writes what `keep` left, and clears the slots behind it.
    /// @return the header with the new list, to be stored by the caller
    function finish(Account storage account, uint256 header, uint256 list, uint256 pair) internal returns (uint256) {
        unchecked {
            uint256 kept = count(list);
            if (kept & 1 != 0) setPairAt(account, kept / 2, pair);
            for (uint256 i = (kept + 1) / 2; i < (count(header) + 1) / 2; ++i) {
                setPairAt(account, i, 0);
            }
            return (header & ~LIST_MASK) | list;
        }
    }
}
