// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {SSTORE2} from "solady/utils/SSTORE2.sol";
import {IRiskConfigurator} from "interfaces/IRiskConfigurator.sol";
import {IVault, IVaultCore, IVaultEvents, IVaultExtension} from "interfaces/IVault.sol";
import {AccountId, AssetSet, Deleverage, Rebalancing} from "interfaces/Types.sol";
import {AccountIds} from "contracts/libraries/AccountIds.sol";
import {Configuration} from "contracts/libraries/Configuration.sol";
import {IReadsInPlace, OracleRouter} from "contracts/oracles/OracleRouter.sol";
import {PauseGuardian} from "contracts/PauseGuardian.sol";
import {RiskConfigurator} from "contracts/RiskConfigurator.sol";
import {RiskSteward} from "contracts/RiskSteward.sol";
import {Vault} from "contracts/Vault.sol";
import {VaultExtension} from "contracts/VaultExtension.sol";
import {SVM, VM} from "./Cheats.sol";

/// @dev Admits everything but the one call that it is told of: that is refused, or put off for an operation that nobody scheduled.
contract AllButOne {
    error NotScheduled();

    address private _caller;
    address private _target;
    bytes4 private _selector;
    uint32 private _delay;

    function refuse(address caller, address target, bytes4 selector, uint32 delay) external {
        (_caller, _target, _selector, _delay) = (caller, target, selector, delay);
    }

    function canCall(address caller, address target, bytes4 selector) external view returns (bool, uint32) {
        if (caller != _caller || target != _target || selector != _selector) return (true, 0);
        return (false, _delay);
    }

    function consumeScheduledOp(address, bytes calldata) external pure {
        revert NotScheduled();
    }
}

/// @dev A token that moves whatever it is asked to.
contract ObedientToken {
    mapping(address holder => uint256) public balanceOf;

    function transfer(address to, uint256 amount) external returns (bool) {
        return _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        return _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private returns (bool) {
        unchecked {
            balanceOf[from] -= amount;
            balanceOf[to] += amount;
        }
        return true;
    }
}

/// @title Whoever is not admitted is refused, whatever he asks
/// @notice Halmos runs each `check_` for all values of its arguments; each `broken_` must have a counter-example.
/// Of who is admitted: it is the very call, by caller, target and function, that the authority is asked about.
contract AccessProofs {
    uint256 private constant ASSET = 0;

    AllButOne private _authority;
    IVault private _vault;
    RiskConfigurator private _configurator;
    RiskSteward private _steward;
    PauseGuardian private _guardian;
    OracleRouter private _router;

    function setUp() external {
        _authority = new AllButOne();
        address extension = address(new VaultExtension(address(_authority), 1.5e18));
        _vault = IVault(address(new Vault(address(_authority), extension, 1.5e18)));
        _configurator = new RiskConfigurator(address(_authority), _vault, 1.5e18);
        _steward = new RiskSteward(address(_authority), _configurator);
        _guardian = new PauseGuardian(address(_authority), _vault);
        _router = new OracleRouter(address(_authority), IReadsInPlace(address(_vault)), 14 days, 90 days);

        // one asset, collateral and to be borrowed, without interest; this contract supplies some
        Configuration.Protocol memory protocol;
        Configuration.Asset memory asset;
        protocol.engineWord = 1 << 160;
        asset.riskWord = uint160(address(new ObedientToken())) | (18 << 160)
            | ((Configuration.FLAG_COLLATERAL | Configuration.FLAG_BORROWABLE) << 168);
        asset.capsWord = type(uint112).max;
        asset.supplyWord = uint256(type(uint112).max) | (uint256(type(uint112).max) << 112);
        _vault.setConfiguration(SSTORE2.write(abi.encode(protocol, asset)));
        _vault.supply(ASSET, 1e18, address(this));
        _vault.setSupplyToken(ASSET, address(0x70ce));
    }

    // ------------------------------------------------------------------------------------------------- by the authority

    function check_vault_refuses_who_is_not_admitted(address caller, uint32 delay, address a, uint256 n, uint40 until, AssetSet s, AssetSet t)
        external
    {
        _refuse(address(_vault), abi.encodeCall(IVaultExtension.setConfiguration, (a)), caller, delay);
        _refuse(address(_vault), abi.encodeCall(IVaultExtension.setSupplyToken, (n, a)), caller, delay);
        _refuse(address(_vault), abi.encodeCall(IVaultExtension.askRouterUntil, (until)), caller, delay);
        _refuse(address(_vault), abi.encodeCall(IVaultExtension.setPauses, (s, t)), caller, delay);
    }

    function check_configurator_refuses_who_is_not_admitted(address caller, uint32 delay) external {
        bytes memory call = SVM.createCalldata("RiskConfigurator");
        VM.assume(bytes4(call) != IRiskConfigurator.syncPriceSource.selector);
        _refuse(address(_configurator), call, caller, delay);
    }

    function check_steward_refuses_who_is_not_admitted(address caller, uint32 delay) external {
        _refuse(address(_steward), SVM.createCalldata("RiskSteward"), caller, delay);
    }

    function check_guardian_refuses_who_is_not_admitted(address caller, uint32 delay) external {
        bytes memory call = SVM.createCalldata("PauseGuardian");
        VM.assume(bytes4(call) != PauseGuardian.lift.selector);
        _refuse(address(_guardian), call, caller, delay);
    }

    function check_router_refuses_who_is_not_admitted(address caller, uint32 delay) external {
        bytes memory call = SVM.createCalldata("OracleRouter");
        VM.assume(bytes4(call) != OracleRouter.poke.selector);
        _refuse(address(_router), call, caller, delay);
    }

    /// @dev No caller but the authority itself can put another one in its place.
    function check_authority_is_replaced_by_itself_alone(address caller, address next) external {
        if (caller == address(_authority)) return;
        address[5] memory targets =
            [address(_vault), address(_configurator), address(_steward), address(_guardian), address(_router)];
        for (uint256 i; i < targets.length; ++i) {
            VM.prank(caller);
            (bool isDone,) = targets[i].call(abi.encodeCall(IAccessManaged.setAuthority, (next)));
            assert(!isDone);
        }
    }

    // --------------------------------------------------------------------------------------------- by owner and operator

    function check_account_obeys_nobody_but_owner_and_operators(
        address caller,
        address owner,
        uint96 index,
        address operator,
        bool isOperator,
        uint256 assetId,
        uint256 amount,
        address to
    ) external {
        VM.prank(owner);
        _vault.setOperator(operator, isOperator);
        if (caller == owner || (caller == operator && isOperator)) return;
        AccountId account = AccountIds.toAccountId(owner, index);
        bytes memory refusal = abi.encodeWithSelector(IVaultEvents.NotAuthorized.selector, owner, caller);
        Rebalancing memory moves;
        _refuse(abi.encodeCall(IVaultCore.withdrawCollateral, (account, assetId, amount, to)), caller, refusal);
        _refuse(abi.encodeCall(IVaultCore.borrow, (account, assetId, amount, to)), caller, refusal);
        _refuse(abi.encodeCall(IVaultExtension.borrowShares, (account, assetId, amount, to)), caller, refusal);
        _refuse(abi.encodeCall(IVaultExtension.rebalance, (account, moves, to, "")), caller, refusal);
    }

    function check_account_takes_a_new_asset_from_nobody_but_owner_and_operators(address caller, address owner, uint96 index, uint256 amount)
        external
    {
        if (caller == owner || amount == 0) return;
        bytes memory refusal = abi.encodeWithSelector(IVaultEvents.NotAuthorized.selector, owner, caller);
        AccountId account = AccountIds.toAccountId(owner, index);
        _refuse(abi.encodeCall(IVaultCore.depositCollateral, (account, ASSET, amount)), caller, refusal);
    }

    function check_deleverage_is_the_owners_alone(address caller, address owner, uint96 index, Deleverage calldata terms) external {
        VM.prank(owner);
        _vault.setOperator(caller, true);
        if (caller == owner) return;
        bytes memory refusal = abi.encodeWithSelector(IVaultEvents.NotAuthorized.selector, owner, caller);
        _refuse(abi.encodeCall(IVaultExtension.setDeleverage, (AccountIds.toAccountId(owner, index), terms)), caller, refusal);
    }

    function check_supply_leaves_by_nobody_but_its_owner_and_its_token(address caller, address owner, address to)
        external
    {
        if (caller == owner || caller == _vault.supplyTokenOf(ASSET)) return;
        VM.prank(owner);
        _vault.setOperator(caller, true);
        bytes memory refusal = abi.encodeWithSelector(IVaultEvents.NotAuthorized.selector, owner, caller);
        for (uint256 amount = 1; amount < 1e30; amount *= 1e6) {
            _refuse(abi.encodeCall(IVaultExtension.withdraw, (ASSET, amount, to, owner)), caller, refusal);
            _refuse(abi.encodeCall(IVaultExtension.redeem, (ASSET, 1e6 * amount, to, owner)), caller, refusal);
        }
    }

    function check_supply_is_transferred_by_its_token_alone(address caller, uint256 assetId, address from, address to, uint256 shares)
        external
    {
        if (caller == _vault.supplyTokenOf(assetId)) return;
        bytes memory refusal = abi.encodeWithSelector(IVaultEvents.NotSupplyToken.selector, assetId, caller);
        _refuse(abi.encodeCall(IVaultExtension.transferSupply, (assetId, from, to, shares)), caller, refusal);
    }

    function check_operators_are_named_by_the_owner_alone(address caller, address owner, address operator, address named, bool isApproved)
        external
    {
        if (caller == owner) return;
        bool isOperator = _vault.isOperator(owner, operator);
        VM.prank(caller);
        _vault.setOperator(named, isApproved);
        assert(_vault.isOperator(owner, operator) == isOperator);
        assert(_vault.isOperator(caller, named) == isApproved);
    }

    // ------------------------------------------------------------------------------------------------- must be refuted

    function broken_vault_refuses_everybody(address caller, address admitted, AssetSet s, AssetSet t) external {
        bytes memory call = abi.encodeCall(IVaultExtension.setPauses, (s, t));
        _authority.refuse(admitted, address(_vault), bytes4(call), 0);
        VM.prank(caller);
        (bool isDone,) = address(_vault).call(call);
        assert(!isDone);
    }

    function broken_who_is_not_admitted_by_one_contract_is_refused_by_another(address caller, AssetSet s) external {
        _authority.refuse(caller, address(_guardian), PauseGuardian.pause.selector, 0);
        VM.prank(caller);
        (bool isDone,) = address(_vault).call(abi.encodeCall(IVaultExtension.setPauses, (s, s)));
        assert(!isDone);
    }

    function broken_account_obeys_its_owner_alone(address caller, address owner, uint96 index, uint256 amount) external {
        VM.prank(owner);
        _vault.setOperator(caller, true);
        if (caller == owner) return;
        VM.prank(caller);
        (bool isDone,) =
            address(_vault).call(abi.encodeCall(IVaultCore.depositCollateral, (AccountIds.toAccountId(owner, index), ASSET, amount)));
        assert(!isDone);
    }

    function broken_supply_leaves_by_its_token_alone(address caller) external {
        if (caller == _vault.supplyTokenOf(ASSET)) return;
        VM.prank(caller);
        (bool isDone,) = address(_vault).call(abi.encodeCall(IVaultExtension.redeem, (ASSET, 1e18, caller, address(this))));
        assert(!isDone);
    }

    // ------------------------------------------------------------------------------------------------------- shorthand

    /// @dev Refused for who asks, and not for what: only a call of no function at all is refused without a reason.
    function _refuse(address target, bytes memory call, address caller, uint32 delay) private {
        VM.assume(bytes4(call) != IAccessManaged.setAuthority.selector);
        _authority.refuse(caller, target, bytes4(call), delay);
        VM.prank(caller);
        (bool isDone, bytes memory answer) = target.call(call);
        bytes memory refusal = delay == 0
            ? abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, caller)
            : abi.encodeWithSelector(AllButOne.NotScheduled.selector);
        assert(!isDone && (answer.length == 0 || keccak256(answer) == keccak256(refusal)));
    }

    function _refuse(bytes memory call, address caller, bytes memory refusal) private {
        VM.prank(caller);
        (bool isDone, bytes memory answer) = address(_vault).call(call);
        assert(!isDone && keccak256(answer) == keccak256(refusal));
    }
}
