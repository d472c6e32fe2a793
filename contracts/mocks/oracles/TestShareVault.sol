// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ERC20, IERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IPriceAdapter, PriceStatus} from "interfaces/IPriceAdapter.sol";

/// @title OpenZeppelin's ERC-4626 vault: what is transferred to it raises its rate. Local chains and testnets only
contract TestShareVault is ERC4626 {
    constructor(IERC20 asset_) ERC20("share", "SHARE") ERC4626(asset_) {}
}

interface IRedeemHook {
    function onRedeem() external;
    function onDeposit() external;
}

/// @title One that calls out in the middle of its own transactions: assets are gone, or there, and shares do not know yet
contract CallbackShareVault is TestShareVault {
    using SafeERC20 for IERC20;

    constructor(IERC20 asset_) TestShareVault(asset_) {}

    function _deposit(address caller, address receiver, uint256 assets, uint256 shares) internal override {
        IERC20(asset()).safeTransferFrom(caller, address(this), assets);
        if (caller.code.length != 0) IRedeemHook(caller).onDeposit();
        _mint(receiver, shares);
    }

    function _withdraw(address caller, address receiver, address owner, uint256 assets, uint256 shares)
        internal
        override
    {
        IERC20(asset()).safeTransfer(receiver, assets);
        if (caller.code.length != 0) IRedeemHook(caller).onRedeem();
        _burn(owner, shares);
    }
}

interface IPokeable {
    function poke() external;
}

/// @title Reads and pokes an adapter in the middle of a share vault's transactions
contract RateAttacker is IRedeemHook {
    CallbackShareVault public immutable VAULT;
    IPriceAdapter public immutable ADAPTER;

    uint256 public low;
    uint256 public high;
    uint256 public primary;
    PriceStatus public status;
    uint256 public rateWad;

    constructor(CallbackShareVault vault, IPriceAdapter adapter) {
        (VAULT, ADAPTER) = (vault, adapter);
        IERC20(vault.asset()).approve(address(vault), type(uint256).max);
    }

    function deposit(uint256 assets) external {
        VAULT.deposit(assets, address(this));
    }

    function redeem(uint256 shares) external {
        VAULT.redeem(shares, address(this), address(this));
    }

    function onDeposit() external {
        _look();
    }

    function onRedeem() external {
        _look();
    }

    function _look() private {
        rateWad = VAULT.convertToAssets(10 ** VAULT.decimals());
        (low, high,, status) = ADAPTER.price();
        primary = ADAPTER.primaryPrice();
        IPokeable(address(ADAPTER)).poke();
    }
}
