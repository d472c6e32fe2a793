// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICloseOutCallback} from "interfaces/ICloseOutCallback.sol";
import {CloseOutResult} from "interfaces/Types.sol";

/// @title A contract that does as it is told, also inside callbacks, and writes down what came of it. Tests only
contract ScriptedActor is ICloseOutCallback {
    struct Step {
        address target;
        bytes data;
    }

    struct Outcome {
        bool isPassed;
        bytes answer;
    }

    Step[] private _script;
    Outcome[] private _outcomes;
    /// @notice How often a callback ran, and the regime and data of the last close-out it was told of.
    uint256 public callbacks;
    bytes public callbackData;
    bytes public callbackResult;
    /// @notice Whether a step that fails makes the callback fail.
    bool public isStrict;
    /// @notice ERC-1271: hashes that this contract has signed.
    mapping(bytes32 hash => bool) public isSigned;

    error StepFailed(uint256 step, bytes answer);

    /// @notice What to do in every callback from now on.
    function setScript(Step[] calldata script, bool strict) external {
        delete _script;
        delete _outcomes;
        for (uint256 i; i < script.length; ++i) {
            _script.push(script[i]);
        }
        isStrict = strict;
    }

    /// @notice One call from here; its answer or its revert is passed on.
    function execute(address target, bytes calldata data) external returns (bytes memory) {
        (bool isPassed, bytes memory answer) = target.call(data);
        if (!isPassed) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
        return answer;
    }

    function sign(bytes32 hash) external {
        isSigned[hash] = true;
    }

    function isValidSignature(bytes32 hash, bytes calldata) external view returns (bytes4) {
        return isSigned[hash] ? this.isValidSignature.selector : bytes4(0);
    }

    function outcomes() external view returns (Outcome[] memory) {
        return _outcomes;
    }

    function onCloseOut(CloseOutResult calldata result, bytes calldata data) external {
        callbackResult = abi.encode(result);
        _run(data);
    }

    function onRebalance(bytes calldata data) external {
        _run(data);
    }

    function onFlashLoan(address, address, uint256, uint256, bytes calldata data) external returns (bytes32) {
        _run(data);
        return keccak256("ERC3156FlashBorrower.onFlashLoan");
    }

    function _run(bytes calldata data) private {
        ++callbacks;
        callbackData = data;
        for (uint256 i; i < _script.length; ++i) {
            (bool isPassed, bytes memory answer) = _script[i].target.call(_script[i].data);
            if (isStrict && !isPassed) revert StepFailed(i, answer);
            _outcomes.push(Outcome(isPassed, answer));
        }
    }
}
