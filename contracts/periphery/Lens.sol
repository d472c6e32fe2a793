// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccountId} from "interfaces/Types.sol";
import {IVault} from "interfaces/IVault.sol";
import {SharesMath} from "../libraries/SharesMath.sol";

/// @notice One account as a whole: token units, WAD values, debts rounded up.
struct AccountView {
    uint256[] collateralIds;
    uint256[] collateralAmounts;
    uint256[] debtIds;
    uint256[] debtAmounts;
    uint256 collateralValue;
    uint256 borrowingPower;
    uint256 maintenanceValue;
    uint256 debtValue;
    uint256 healthFactorWad;
}

/// @title Lens: what integrators read, one call each
/// @notice Outside the trusted base: it only puts together what the Vault's views say.
contract Lens {
    IVault public immutable VAULT;

    constructor(IVault vault) {
        VAULT = vault;
    }

    /// @notice One account.
    function accountOf(AccountId account) public view returns (AccountView memory result) {
        (result.collateralIds, result.collateralAmounts, result.debtIds, result.debtAmounts) = VAULT.positionOf(account);
        (
            result.collateralValue,
            result.borrowingPower,
            result.maintenanceValue,
            result.debtValue,
            result.healthFactorWad
        ) = VAULT.healthOf(account);
    }

    /// @notice Many accounts, in the order given.
    function accountsOf(AccountId[] calldata accounts) external view returns (AccountView[] memory results) {
        results = new AccountView[](accounts.length);
        for (uint256 i; i < accounts.length; ++i) {
            results[i] = accountOf(accounts[i]);
        }
    }

    /// @notice What a lender's supply of an asset is worth now, token units, rounded down.
    function supplyAssetsOf(uint256 assetId, address holder) external view returns (uint256) {
        (uint256 idle, uint256 debt, uint256 shares,,) = VAULT.marketOf(assetId);
        return SharesMath.toAssetsDown(VAULT.supplySharesOf(assetId, holder), idle + debt, shares);
    }
}
