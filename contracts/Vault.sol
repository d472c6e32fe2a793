// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Multicallable} from "solady/utils/Multicallable.sol";
import {AssetSet} from "interfaces/Types.sol";
import {CloseOuts} from "./vault/CloseOuts.sol";
import {CloseOutPlans} from "./vault/CloseOutPlans.sol";
import {INDEX_ONE} from "./libraries/Units.sol";
import {Configuration} from "./libraries/Configuration.sol";

/// @title Vault
/// @notice Holds all user funds; see interfaces/IVault.sol. Its accounting is immutable: what governance can do is to plug in
/// another configuration table, and to pause borrowing and withdrawing while owing.
contract Vault is CloseOuts, AccessManaged, Multicallable {
    using Configuration for Configuration.Protocol;

    /// @param authority the AccessManager
    /// @param maxTargetHealthFactorWad no engine may restore a health factor above it
    constructor(address authority, uint256 maxTargetHealthFactorWad)
        AccessManaged(authority)
        CloseOutPlans(maxTargetHealthFactorWad)
    {}

    function setConfiguration(address table) external restricted nonReentrant {
        uint256 listed = Configuration.protocol(_table).assetCount();
        uint256 count = Configuration.protocol(table).assetCount();
        // a new asset starts accruing from here; an old one is never unlisted, only emptied
        if (table.code.length == 0 || count < listed) revert ConfigurationMissing();
        for (uint256 assetId = listed; assetId < count; ++assetId) {
            _borrowStates[assetId].index = uint72(INDEX_ONE);
            _borrowStates[assetId].accruedAt = uint40(block.timestamp);
        }
        _table = table;
        emit ConfigurationSet(table);
    }

    function setPauses(AssetSet borrowing, AssetSet withdrawing) external restricted nonReentrant {
        _pauses = AssetSet.unwrap(borrowing) | (uint256(AssetSet.unwrap(withdrawing)) << 128);
        emit PausesSet(borrowing, withdrawing);
    }

    function configuration() external view returns (address table) {
        return _table;
    }
}
