// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ILiquidationEngine} from "interfaces/ILiquidationEngine.sol";
import {Plan, Snapshot, Terms} from "interfaces/Types.sol";
import {CloseOutBounds} from "../libraries/CloseOutBounds.sol";

/// @title Many close-out plans in one call: tests only
/// @notice Asks any engine for a plan of each case, and the Vault's own bounds about each plan.
contract EngineHarness {
    struct Case {
        Snapshot snapshot;
        Terms terms;
    }

    /// @notice Revert data: selector and up to two words. All zero where nothing reverted.
    struct Refusal {
        bytes4 selector;
        uint256 first;
        uint256 second;
    }

    struct Answer {
        Plan plan;
        Refusal refusal;
        /// Of the bounds, where there is a plan.
        Refusal refusalOfBounds;
    }

    function plans(ILiquidationEngine engine, uint256 maxTarget, Case[] calldata cases)
        external
        view
        returns (Answer[] memory answers)
    {
        answers = new Answer[](cases.length);
        for (uint256 i; i < cases.length; ++i) {
            try engine.plan(cases[i].snapshot, cases[i].terms) returns (Plan memory plan) {
                answers[i].plan = plan;
                try this.check(cases[i], plan, maxTarget) {}
                catch (bytes memory data) {
                    answers[i].refusalOfBounds = _refusal(data);
                }
            } catch (bytes memory data) {
                answers[i].refusal = _refusal(data);
            }
        }
    }

    function check(Case memory case_, Plan memory plan, uint256 maxTarget) external pure {
        CloseOutBounds.check(case_.snapshot, case_.terms, plan, maxTarget);
    }

    function _refusal(bytes memory data) private pure returns (Refusal memory refusal) {
        // what reverts without data is to be seen too
        if (data.length < 4) return Refusal(0xffffffff, data.length, 0);
        assembly ("memory-safe") {
            let length := mload(data)
            mstore(refusal, shl(224, shr(224, mload(add(data, 32)))))
            if gt(length, 35) { mstore(add(refusal, 32), mload(add(data, 36))) }
            if gt(length, 67) { mstore(add(refusal, 64), mload(add(data, 68))) }
        }
    }
}
