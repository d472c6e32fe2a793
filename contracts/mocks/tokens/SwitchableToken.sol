// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ZooToken, ZooTokenWithReturns} from "./ZooToken.sol";

/// @title An ordinary token until it is told to misbehave, and how: in what it does when it is to send, to be pulled, or both
contract SwitchableToken is ZooTokenWithReturns {
    enum Mood {
        Ordinary,
        /// Reverts with a reason, like a token that is paused.
        Reverts,
        /// Reverts without data.
        RevertsSilently,
        /// Returns false and moves nothing.
        ReturnsFalse,
        /// Returns 2, which is neither true nor false, and moves nothing.
        ReturnsTwo,
        /// Returns a single byte and moves nothing.
        ReturnsLittle,
        /// Burns all the gas it gets.
        BurnsGas,
        /// Returns a megabyte.
        ReturnsBomb,
        /// Reverts with a megabyte.
        RevertsBomb,
        /// Keeps a hundredth of what is moved.
        TakesFee,
        /// Reports success and moves nothing.
        Lies,
        /// Takes one unit from the receiver instead of giving him anything.
        Robs,
        /// Calls `hookTarget` with `hookData` before it moves, and goes on whatever comes back.
        Calls
    }

    Mood public whenSending;
    Mood public whenPulled;
    mapping(address holder => bool) public isBlacklisted;
    address public hookTarget;
    bytes public hookData;
    /// @notice What the last hook came back with.
    bool public hookPassed;
    bytes public hookAnswer;

    error Paused();
    error Blacklisted(address holder);

    constructor(string memory symbol_, uint8 decimals_) ZooToken(symbol_, decimals_) {}

    function setMood(Mood sending, Mood pulled) external {
        (whenSending, whenPulled) = (sending, pulled);
    }

    function setBlacklisted(address holder, bool isListed) external {
        isBlacklisted[holder] = isListed;
    }

    function setHook(address target, bytes calldata data) external {
        (hookTarget, hookData) = (target, data);
    }

    function transfer(address to, uint256 amount) external override returns (bool) {
        _act(whenSending, msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external override returns (bool) {
        _spend(from, amount);
        _act(whenPulled, from, to, amount);
        return true;
    }

    function _act(Mood mood, address from, address to, uint256 amount) private {
        if (isBlacklisted[from]) revert Blacklisted(from);
        if (isBlacklisted[to]) revert Blacklisted(to);
        if (mood == Mood.Reverts) revert Paused();
        if (mood == Mood.Calls) {
            (bool isPassed, bytes memory answer) = hookTarget.call(hookData);
            (hookPassed, hookAnswer) = (isPassed, answer);
        }
        if (mood == Mood.TakesFee) {
            _move(from, address(this), amount / 100);
            amount -= amount / 100;
        }
        if (mood == Mood.Robs) (from, to, amount) = (to, address(this), 1);
        assembly ("memory-safe") {
            switch mood
            case 2 { revert(0, 0) }
            case 3 {
                mstore(0, 0)
                return(0, 32)
            }
            case 4 {
                mstore(0, 2)
                return(0, 32)
            }
            case 5 { return(31, 1) }
            case 6 { invalid() }
            case 7 {
                mstore(0, 1)
                return(0, 1000000)
            }
            case 8 { revert(0, 1000000) }
            case 10 {
                mstore(0, 1)
                return(0, 32)
            }
        }
        _move(from, to, amount);
    }
}
