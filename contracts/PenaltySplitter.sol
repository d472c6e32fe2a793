// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {IVault} from "interfaces/IVault.sol";
import {Configuration} from "./libraries/Configuration.sol";

/// @title PenaltySplitter: the protocol's part of penalties, to insurance fund, treasury and burn
/// @notice Pulls the claims that close-outs left to it and passes them on by fixed weights, to the unit. Never called by a
/// close-out: whatever happens here, accounts are closed out.
contract PenaltySplitter {
    using Configuration for Configuration.Asset;

    error WeightsMustAddUp(uint256 sum, uint256 expected);

    event PenaltyPaid(uint256 indexed assetId, address indexed recipient, uint256 amount);

    IVault public immutable VAULT;
    address public immutable INSURANCE_FUND;
    address public immutable TREASURY;
    /// @notice Where what is to be burnt goes: most tokens refuse the zero address.
    address public constant BURN = 0x000000000000000000000000000000000000dEaD;
    uint256 public immutable INSURANCE_WAD;
    uint256 public immutable TREASURY_WAD;
    uint256 public immutable BURN_WAD;

    constructor(
        IVault vault,
        address insuranceFund,
        address treasury,
        uint256 insuranceWad,
        uint256 treasuryWad,
        uint256 burnWad
    ) {
        if (insuranceWad + treasuryWad + burnWad != 1e18) {
            revert WeightsMustAddUp(insuranceWad + treasuryWad + burnWad, 1e18);
        }
        (VAULT, INSURANCE_FUND, TREASURY) = (vault, insuranceFund, treasury);
        (INSURANCE_WAD, TREASURY_WAD, BURN_WAD) = (insuranceWad, treasuryWad, burnWad);
    }

    /// @notice Splits what has come together in one asset. Treasury and burn are rounded down; the rest is the fund's, credited
    /// inside the Vault. Anyone may.
    function split(uint256 assetId) external {
        address token = Configuration.asset(VAULT.configuration(), assetId).token();
        uint256 claimed = VAULT.claimOf(address(this), assetId);
        if (claimed != 0) VAULT.claim(assetId, claimed, address(this));
        uint256 amount = SafeTransferLib.balanceOf(token, address(this));
        uint256 toTreasury = amount * TREASURY_WAD / 1e18;
        uint256 toBurn = amount * BURN_WAD / 1e18;
        uint256 toInsurance = amount - toTreasury - toBurn;
        _pay(assetId, token, TREASURY, toTreasury);
        _pay(assetId, token, BURN, toBurn);
        if (toInsurance == 0) return;
        SafeTransferLib.safeApproveWithRetry(token, address(VAULT), toInsurance);
        VAULT.creditClaim(assetId, toInsurance, INSURANCE_FUND);
        emit PenaltyPaid(assetId, INSURANCE_FUND, toInsurance);
    }

    function _pay(uint256 assetId, address token, address recipient, uint256 amount) private {
        if (amount == 0) return;
        SafeTransferLib.safeTransfer(token, recipient, amount);
        emit PenaltyPaid(assetId, recipient, amount);
    }
}
