// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Answers every call with the same bytes, or reverts with them: a module that is broken, or hostile. Tests only
contract RawAnswer {
    bytes private _answer;
    bool private _isRevert;
    bool private _isBurning;

    function setAnswer(bytes calldata answer, bool isRevert) external {
        (_answer, _isRevert, _isBurning) = (answer, isRevert, false);
    }

    /// @notice From now on burns all the gas it gets.
    function setBurning() external {
        _isBurning = true;
    }

    fallback() external {
        if (_isBurning) {
            assembly ("memory-safe") {
                invalid()
            }
        }
        bytes memory answer = _answer;
        bool isRevert = _isRevert;
        assembly ("memory-safe") {
            if isRevert { revert(add(answer, 32), mload(answer)) }
            return(add(answer, 32), mload(answer))
        }
    }
}
