// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Positions} from "../libraries/Positions.sol";

/// @title Positions, one step at a time. Tests only
contract PositionsHarness {
    using Positions for Positions.Account;
    using Positions for uint256;

    enum Kind {
        Append,
        Remove,
        Set,
        Store,
        Call,
        Act
    }

    /// @dev `entry` with `balance` is appended; `place` is removed, or gets `balance`; `balances` are stored.
    struct Step {
        Kind kind;
        uint256 entry;
        uint256 place;
        uint256 balance;
        uint256[] balances;
    }

    /// @dev Everything that can be asked of an account, and its raw slots.
    struct State {
        uint256 header;
        uint256[8] slots;
        uint256[] entries;
        uint256[] balances;
        uint256 collaterals;
        uint256 debts;
        uint256 calledAt;
        uint256 actedAt;
    }

    Positions.Account private _account;

    /// @notice Runs steps on an account that starts with `header`, and tells the state after each. Meant for eth_call.
    function run(uint256 header, Step[] calldata steps) external returns (State[] memory states) {
        _account.header = header;
        states = new State[](steps.length);
        for (uint256 i; i < steps.length; ++i) {
            _apply(steps[i]);
            states[i] = _state();
        }
    }

    function find(uint256 header, uint256 entry) external pure returns (uint256) {
        return header.find(entry);
    }

    function _apply(Step calldata step) private {
        uint256 header = _account.header;
        if (step.kind == Kind.Append) {
            uint256 place = header.count();
            _account.header = header.append(step.entry);
            _account.setBalanceAt(place, step.balance);
        } else if (step.kind == Kind.Remove) {
            _account.header = _account.removeAt(header, step.place);
        } else if (step.kind == Kind.Set) {
            _account.setBalanceAt(step.place, step.balance);
        } else if (step.kind == Kind.Store) {
            (uint256 list, uint256 pair) = (0, 0);
            for (uint256 i; i < step.balances.length; ++i) {
                (list, pair) = _account.keep(list, pair, header.entryAt(i), step.balances[i]);
            }
            _account.header = _account.finish(header, list, pair);
        } else if (step.kind == Kind.Call) {
            _account.header = header.withCalledAt(step.balance);
        } else {
            _account.header = header.withActedAt(step.balance);
        }
    }

    function _state() private view returns (State memory state) {
        uint256 header = _account.header;
        uint256 count = header.count();
        state.header = header;
        for (uint256 i; i < 8; ++i) {
            state.slots[i] = _account.balances[i];
        }
        (state.entries, state.balances) = (new uint256[](count), new uint256[](count));
        for (uint256 i; i < count; ++i) {
            (state.entries[i], state.balances[i]) = (header.entryAt(i), _account.balanceAt(i));
        }
        (state.collaterals, state.debts) = header.countSides();
        (state.calledAt, state.actedAt) = (header.calledAt(), header.actedAt());
    }
}
