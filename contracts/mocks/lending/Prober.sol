// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccountId} from "interfaces/Types.sol";
import {IVault} from "interfaces/IVault.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title A flash borrower that looks at every figure of the Vault after each thing that it does inside. Tests only
contract Prober {
    struct Step {
        address target;
        bytes data;
    }

    /// @notice What the views say of one asset at one moment.
    struct Reading {
        uint256 assetId;
        uint256 idle;
        uint256 debt;
        uint256 shares;
        uint256 index;
        uint256 held;
        uint256 ownCollateral;
        uint256 ownClaims;
        uint256 ownShares;
    }

    IVault public immutable VAULT;
    AccountId public immutable ACCOUNT;
    IERC20[] private _tokens;
    Step[] private _script;
    Reading[] private _readings;
    /// @notice How many steps passed, and the first bytes of what stopped the others.
    uint256 public passed;
    bytes4[] private _failures;
    bool private _isInside;

    constructor(IVault vault, IERC20[] memory tokens) {
        VAULT = vault;
        ACCOUNT = AccountId.wrap(uint256(uint160(address(this))) << 96);
        _tokens = tokens;
        for (uint256 i; i < tokens.length; ++i) {
            tokens[i].approve(address(vault), type(uint256).max);
        }
    }

    function setScript(Step[] calldata script) external {
        delete _script;
        for (uint256 i; i < script.length; ++i) {
            _script.push(script[i]);
        }
    }

    function readings() external view returns (Reading[] memory) {
        return _readings;
    }

    function failures() external view returns (bytes4[] memory) {
        return _failures;
    }

    /// @notice One call from here, outside of a loan.
    function execute(address target, bytes calldata data) external {
        (bool isPassed, bytes memory answer) = target.call(data);
        if (!isPassed) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
    }

    function onFlashLoan(address, address, uint256, uint256, bytes calldata) external returns (bytes32) {
        look();
        // a loan inside a loan looks, and does nothing more
        if (_isInside) return keccak256("ERC3156FlashBorrower.onFlashLoan");
        _isInside = true;
        for (uint256 i; i < _script.length; ++i) {
            (bool isPassed, bytes memory answer) = _script[i].target.call(_script[i].data);
            if (isPassed) ++passed;
            else _failures.push(bytes4(answer));
            look();
        }
        _isInside = false;
        return keccak256("ERC3156FlashBorrower.onFlashLoan");
    }

    function look() public {
        (uint256[] memory ids, uint256[] memory amounts,,) = VAULT.positionOf(ACCOUNT);
        for (uint256 i; i < _tokens.length; ++i) {
            Reading memory reading;
            reading.assetId = VAULT.assetIdOf(address(_tokens[i]));
            (reading.idle, reading.debt, reading.shares, reading.index,) = VAULT.marketOf(reading.assetId);
            reading.held = _tokens[i].balanceOf(address(VAULT));
            for (uint256 j; j < ids.length; ++j) {
                if (ids[j] == reading.assetId) reading.ownCollateral = amounts[j];
            }
            reading.ownClaims = VAULT.claimOf(address(this), reading.assetId);
            reading.ownShares = VAULT.supplySharesOf(reading.assetId, address(this));
            _readings.push(reading);
        }
    }
}
