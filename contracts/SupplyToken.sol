// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC4626} from "@openzeppelin/contracts/interfaces/IERC4626.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {MetadataReaderLib} from "solady/utils/MetadataReaderLib.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {IVault, IVaultEvents} from "interfaces/IVault.sol";
import {Configuration} from "./libraries/Configuration.sol";
import {SharesMath} from "./libraries/SharesMath.sol";

/// @title SupplyToken: the ERC-4626 face of one asset's supply
/// @notice Shares and assets are the Vault's; allowances and permits (ERC-2612) are kept here. Shares minted or burnt at the Vault
/// itself show in balances at once and in the Vault's events; only what goes through this contract emits Transfer here.
/// @dev OpenZeppelin's conversion with an offset of 6 is the Vault's own (docs/liquidation.md, section 1, "Supply"): previews are exact.
contract SupplyToken is ERC4626, ERC20Permit {
    using Configuration for Configuration.Asset;
    using FixedPointMathLib for uint256;

    IVault public immutable VAULT;
    uint256 public immutable ASSET_ID;

    error TransfersOnly(address from, address to);

    constructor(IVault vault, uint256 assetId, address token)
        ERC20(
            string.concat("Closeout ", MetadataReaderLib.readName(token)),
            string.concat("co", MetadataReaderLib.readSymbol(token))
        )
        ERC20Permit(string.concat("Closeout ", MetadataReaderLib.readName(token)))
        ERC4626(IERC20(token))
    {
        (VAULT, ASSET_ID) = (vault, assetId);
        SafeTransferLib.safeApproveWithRetry(token, address(vault), type(uint256).max);
    }

    // ------------------------------------------------------------------------------------------------------- ERC-20

    function decimals() public view override(ERC20, ERC4626) returns (uint8) {
        return super.decimals();
    }

    function totalSupply() public view override(ERC20, IERC20) returns (uint256 shares) {
        (,, shares,,) = VAULT.marketOf(ASSET_ID);
    }

    function balanceOf(address holder) public view override(ERC20, IERC20) returns (uint256) {
        return VAULT.supplySharesOf(ASSET_ID, holder);
    }

    /// @dev Mints and burns are the Vault's and announced where they are asked for.
    function _update(address from, address to, uint256 shares) internal override {
        if (from == address(0) || to == address(0)) revert TransfersOnly(from, to);
        VAULT.transferSupply(ASSET_ID, from, to, shares);
        emit Transfer(from, to, shares);
    }

    // ----------------------------------------------------------------------------------------------------- ERC-4626

    function totalAssets() public view override returns (uint256) {
        (uint256 idle, uint256 debt,,,) = VAULT.marketOf(ASSET_ID);
        return idle + debt;
    }

    /// @dev What shares are worth to who leaves: less his part of losses that are noted and not booked yet.
    function _exitAssets() private view returns (uint256) {
        (, uint256 uncovered) = VAULT.expectedLossOf(ASSET_ID);
        return totalAssets().zeroFloorSub(uncovered);
    }

    function previewWithdraw(uint256 assets) public view override returns (uint256) {
        return SharesMath.toSharesUp(assets, _exitAssets(), totalSupply());
    }

    function previewRedeem(uint256 shares) public view override returns (uint256) {
        return SharesMath.toAssetsDown(shares, _exitAssets(), totalSupply());
    }

    function maxDeposit(address) public view override returns (uint256) {
        Configuration.Asset memory listed = Configuration.asset(VAULT.configuration(), ASSET_ID);
        uint256 total = totalAssets();
        return total < listed.supplyCap() ? listed.supplyCap() - total : 0;
    }

    function maxMint(address receiver) public view override returns (uint256) {
        return previewDeposit(maxDeposit(receiver));
    }

    function maxWithdraw(address owner) public view override returns (uint256) {
        (uint256 idle,,,,) = VAULT.marketOf(ASSET_ID);
        uint256 owned = previewRedeem(balanceOf(owner));
        return owned < idle ? owned : idle;
    }

    function maxRedeem(address owner) public view override returns (uint256) {
        uint256 shares = balanceOf(owner);
        (uint256 idle,,,,) = VAULT.marketOf(ASSET_ID);
        if (previewRedeem(shares) > idle) shares = SharesMath.toSharesDown(idle, _exitAssets(), totalSupply());
        // what is worth less than a unit cannot be redeemed
        return previewRedeem(shares) == 0 ? 0 : shares;
    }

    function _decimalsOffset() internal pure override returns (uint8) {
        return 6;
    }

    /// @inheritdoc IERC4626
    function deposit(uint256 assets, address receiver) public override returns (uint256 shares) {
        _take(assets);
        shares = VAULT.supply(ASSET_ID, assets, receiver);
        _announceDeposit(receiver, assets, shares);
    }

    /// @inheritdoc IERC4626
    function mint(uint256 shares, address receiver) public override returns (uint256 assets) {
        _take(previewMint(shares));
        assets = VAULT.mint(ASSET_ID, shares, receiver);
        _announceDeposit(receiver, assets, shares);
    }

    /// @inheritdoc IERC4626
    function withdraw(uint256 assets, address receiver, address owner) public override returns (uint256 shares) {
        if (msg.sender != owner) _spendAllowance(owner, msg.sender, previewWithdraw(assets));
        shares = VAULT.withdraw(ASSET_ID, assets, receiver, owner);
        _announceWithdrawal(receiver, owner, assets, shares);
    }

    /// @inheritdoc IERC4626
    function redeem(uint256 shares, address receiver, address owner) public override returns (uint256 assets) {
        if (msg.sender != owner) _spendAllowance(owner, msg.sender, shares);
        assets = VAULT.redeem(ASSET_ID, shares, receiver, owner);
        _announceWithdrawal(receiver, owner, assets, shares);
    }

    function _take(uint256 assets) private {
        uint256 before = SafeTransferLib.balanceOf(asset(), address(this));
        SafeTransferLib.safeTransferFrom(asset(), msg.sender, address(this), assets);
        uint256 received = SafeTransferLib.balanceOf(asset(), address(this)).zeroFloorSub(before);
        if (received != assets) revert IVaultEvents.TransferMismatch(asset(), assets, received);
    }

    function _announceDeposit(address receiver, uint256 assets, uint256 shares) private {
        emit Transfer(address(0), receiver, shares);
        emit Deposit(msg.sender, receiver, assets, shares);
    }

    function _announceWithdrawal(address receiver, address owner, uint256 assets, uint256 shares) private {
        emit Transfer(owner, address(0), shares);
        emit Withdraw(msg.sender, receiver, owner, assets, shares);
    }
}
