// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {IVault} from "interfaces/IVault.sol";
import {Configuration} from "./libraries/Configuration.sol";

/// @title InsuranceFund: pays bad debt, and nothing else
/// @notice What it holds are claims inside the Vault, which takes them where bad debt is booked, without calling here: no
/// fund, however broken, can stop or delay a close-out. There is no way out for anyone, governance included.
contract InsuranceFund {
    using Configuration for Configuration.Asset;

    IVault public immutable VAULT;

    constructor(IVault vault) {
        VAULT = vault;
    }

    /// @notice Turns tokens that were sent here into claims. Anyone may. Use it to fill the fund: transfer, then absorb.
    function absorb(uint256 assetId) external returns (uint256 amount) {
        address token = Configuration.asset(VAULT.configuration(), assetId).token();
        amount = SafeTransferLib.balanceOf(token, address(this));
        SafeTransferLib.safeApproveWithRetry(token, address(VAULT), amount);
        VAULT.creditClaim(assetId, amount, address(this));
    }
}
