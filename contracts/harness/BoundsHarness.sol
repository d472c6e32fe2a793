// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IVaultEvents} from "interfaces/IVault.sol";
import {ILiquidationEngine} from "interfaces/ILiquidationEngine.sol";
import {Plan, Snapshot, Terms} from "interfaces/Types.sol";
import {CloseOutBounds} from "../libraries/CloseOutBounds.sol";

/// @title The Vault's own bounds on plans, many cases to a call. Tests only
contract BoundsHarness is IVaultEvents {
    struct Case {
        Snapshot snapshot;
        Terms terms;
    }

    function check(Snapshot calldata snapshot, Terms calldata terms, Plan calldata plan, uint256 maxTarget)
        external
        pure
    {
        CloseOutBounds.check(snapshot, terms, plan, maxTarget);
    }

    /// @notice For each case: whether the engine made a plan, and what the bounds said of it, empty where they passed.
    function checkPlansOf(ILiquidationEngine engine, Case[] calldata cases, uint256 maxTarget)
        external
        view
        returns (bool[] memory isPlanned, bytes[] memory refusals)
    {
        (isPlanned, refusals) = (new bool[](cases.length), new bytes[](cases.length));
        for (uint256 i; i < cases.length; ++i) {
            try engine.plan(cases[i].snapshot, cases[i].terms) returns (Plan memory plan) {
                isPlanned[i] = true;
                try this.check(cases[i].snapshot, cases[i].terms, plan, maxTarget) {}
                catch (bytes memory refusal) {
                    refusals[i] = refusal;
                }
            } catch {}
        }
    }
}
