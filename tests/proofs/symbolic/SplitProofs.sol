// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SSTORE2} from "solady/utils/SSTORE2.sol";
import {IVault} from "interfaces/IVault.sol";
import {InsuranceFund} from "contracts/InsuranceFund.sol";
import {Configuration} from "contracts/libraries/Configuration.sol";
import {WAD} from "contracts/libraries/Units.sol";
import {PenaltySplitter} from "contracts/PenaltySplitter.sol";
import {VM} from "./Cheats.sol";

/// @dev A token, and what it was made to do.
contract WatchedToken {
    mapping(address holder => uint256) public balanceOf;
    address public spender;
    uint256 public allowed;

    function give(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
        return true;
    }

    function approve(address to, uint256 amount) external returns (bool) {
        (spender, allowed) = (to, amount);
        return true;
    }
}

/// @dev What a holder of claims sees of the Vault.
contract WatchedVault {
    address public immutable configuration;
    WatchedToken public immutable TOKEN;
    mapping(address holder => uint256) public claims;

    constructor() {
        Configuration.Protocol memory protocol;
        Configuration.Asset memory asset;
        TOKEN = new WatchedToken();
        asset.riskWord = uint160(address(TOKEN));
        configuration = SSTORE2.write(abi.encode(protocol, asset));
    }

    function give(address holder, uint256 amount) external {
        claims[holder] += amount;
    }

    function claimOf(address holder, uint256) external view returns (uint256) {
        return claims[holder];
    }

    function claim(uint256, uint256 amount, address to) external {
        claims[msg.sender] -= amount;
        TOKEN.give(to, amount);
    }

    /// @dev The tokens are the Vault's from here on; they stay where they are, so that what went elsewhere can be told apart.
    function creditClaim(uint256, uint256 amount, address holder) external {
        claims[holder] += amount;
    }
}

/// @title What is split adds up again, and nobody is paid but who is to be
/// @notice Halmos runs each `check_` for all values of its arguments; each `broken_` must have a counter-example.
/// That products of unknown amounts and weights stay within a unit of their shares is beyond it: here the code is proved to be
/// the formula, and the formula's properties are theorems over the integers (tests/proofs/test_shares_and_splits.py).
contract SplitProofs {
    uint256 private constant ASSET = 0;
    address private constant FUND = address(0xf00d);
    address private constant TREASURY = address(0x7ea5);
    address private constant BURN = 0x000000000000000000000000000000000000dEaD;

    WatchedVault private _vault;
    WatchedToken private _token;

    function setUp() external {
        _vault = new WatchedVault();
        _token = _vault.TOKEN();
    }

    // ------------------------------------------------------------------------------------------------ PenaltySplitter

    /// @dev For all amounts, and all weights that a splitter can be made with: by the formula, and to the unit.
    function check_splitter_pays_out_all_that_came_in(uint112 held, uint112 claimed, uint256[3] memory weights) external {
        PenaltySplitter splitter = _splitter(weights);
        _fill(address(splitter), held, claimed);
        splitter.split(ASSET);
        uint256 amount = uint256(held) + claimed;
        (uint256 toTreasury, uint256 toBurn) = (_token.balanceOf(TREASURY), _token.balanceOf(BURN));
        assert(toTreasury == amount * weights[1] / WAD && toBurn == amount * weights[2] / WAD);
        assert(toTreasury + toBurn + _vault.claims(FUND) == amount);
        _requireNothingLeft(splitter);
    }

    function check_splitter_of_weights_that_do_not_add_up_cannot_be_made(uint256[3] memory weights) external {
        unchecked {
            if (weights[0] + weights[1] + weights[2] == WAD && weights[0] <= WAD && weights[1] <= WAD) return;
        }
        try new PenaltySplitter(IVault(address(_vault)), FUND, TREASURY, weights[0], weights[1], weights[2]) {
            assert(false);
        } catch {}
    }

    // -------------------------------------------------------------------------------------------------- InsuranceFund

    /// @dev Whoever calls: what it holds goes to the Vault, and the claim is its own.
    function check_fund_credits_nobody_but_itself(address caller, address other, uint112 held, uint112 claimed) external {
        InsuranceFund fund = new InsuranceFund(IVault(address(_vault)));
        if (other == address(fund)) return;
        _fill(address(fund), held, claimed);
        VM.prank(caller);
        fund.absorb(ASSET);
        assert(_vault.claims(address(fund)) == uint256(claimed) + held && _vault.claims(other) == 0);
        assert(_token.balanceOf(address(fund)) == held && _token.balanceOf(other) == 0);
        assert(_token.spender() == address(_vault) && _token.allowed() == held);
    }

    // ------------------------------------------------------------------------------------------------- must be refuted

    function broken_splitter_rounds_nothing(uint8 held) external {
        uint256[3] memory weights = [uint256(0.5e18), 0.3e18, 0.2e18];
        PenaltySplitter splitter = _splitter(weights);
        _fill(address(splitter), held, 0);
        splitter.split(ASSET);
        assert(_token.balanceOf(TREASURY) * WAD == held * weights[1]);
    }

    function broken_fund_is_paid_by_nobody(uint112 held) external {
        InsuranceFund fund = new InsuranceFund(IVault(address(_vault)));
        _fill(address(fund), held, 0);
        fund.absorb(ASSET);
        assert(_vault.claims(address(fund)) == 0);
    }

    // ------------------------------------------------------------------------------------------------------- shorthand

    function _splitter(uint256[3] memory weights) private returns (PenaltySplitter) {
        return new PenaltySplitter(IVault(address(_vault)), FUND, TREASURY, weights[0], weights[1], weights[2]);
    }

    function _fill(address holder, uint256 held, uint256 claimed) private {
        _token.give(holder, held);
        _vault.give(holder, claimed);
    }

    /// @dev What it still has is what the Vault may pull for the fund's claim, and the Vault alone.
    function _requireNothingLeft(PenaltySplitter splitter) private view {
        uint256 toInsurance = _vault.claims(FUND);
        assert(_vault.claims(address(splitter)) == 0 && _token.balanceOf(address(splitter)) == toInsurance);
        assert(toInsurance == 0 || (_token.spender() == address(_vault) && _token.allowed() == toInsurance));
    }
}
