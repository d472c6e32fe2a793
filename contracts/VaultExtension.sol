// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC3156FlashBorrower} from "@openzeppelin/contracts/interfaces/IERC3156FlashBorrower.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {EIP712} from "solady/utils/EIP712.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {LibBit} from "solady/utils/LibBit.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {SignatureCheckerLib} from "solady/utils/SignatureCheckerLib.sol";
import {IRebalanceCallback} from "interfaces/IRebalanceCallback.sol";
import {Status} from "interfaces/IOracleRouter.sol";
import {IVaultExtension} from "interfaces/IVault.sol";
import {
    AccountId, AssetSet, Deleverage, Payment, Rebalancing
} from "interfaces/Types.sol";
import {AccountIds} from "./libraries/AccountIds.sol";
import {CloseOutBounds} from "./libraries/CloseOutBounds.sol";
import {Configuration} from "./libraries/Configuration.sol";
import {Positions} from "./libraries/Positions.sol";
import {BPS, INDEX_ONE, RAY_PER_WAD, WAD} from "./libraries/Units.sol";
import {SharesMath} from "./libraries/SharesMath.sol";
import {ValueMath} from "./libraries/ValueMath.sol";
import {Accounts} from "./vault/Accounts.sol";
import {Moves} from "./vault/Moves.sol";

/// @dev The one view of Permit2 that is needed here.
interface IPermit2 {
    function allowance(address owner, address token, address spender)
        external
        view
        returns (uint160 amount, uint48 expiration, uint48 nonce);
}

/// @title VaultExtension: the second half of the Vault's code
/// @notice Runs on the Vault's storage, by delegatecall from its fallback; on its own it holds nothing and knows nothing. Split
/// off because one contract may not have more than 24 576 bytes (EIP-170): what is here is not on the hot path.
contract VaultExtension is IVaultExtension, Moves, EIP712 {
    using AccountIds for AccountId;
    using Configuration for Configuration.Asset;
    using Configuration for Configuration.Protocol;
    using FixedPointMathLib for uint256;
    using Positions for Positions.Account;
    using Positions for uint256;

    bytes32 private constant OPERATOR_TYPEHASH = keccak256(
        "Operator(address owner,address operator,bool isApproved,uint256 nonce,uint256 deadline)"
    );

    constructor(address authority, uint256 maxTargetHealthFactorWad) Accounts(authority, maxTargetHealthFactorWad) {}

    // -------------------------------------------------------------------------------------------------- close-outs

    /// @inheritdoc IVaultExtension
    function marginCall(AccountId account) external nonReentrant {
        Appraisal memory appraisal = _look(account)[0];
        Configuration.Protocol memory protocol = appraisal.context.protocol;
        uint256 health = _healthOf(appraisal);
        if (health >= protocol.marginCallHealthFactorWad() || _isOnCall(protocol, appraisal.header)) {
            revert MarginCallRefused(health, protocol.marginCallHealthFactorWad());
        }
        _putOnCall(account, appraisal.header, health);
    }

    /// @inheritdoc IVaultExtension
    function clearMarginCall(AccountId account) external nonReentrant {
        Appraisal memory appraisal = _look(account)[0];
        Configuration.Protocol memory protocol = appraisal.context.protocol;
        if (appraisal.header.calledAt() == 0) revert NotOnCall(account);
        uint256 health = _healthOf(appraisal);
        if (health < protocol.marginCallHealthFactorWad()) {
            revert MarginCallRefused(health, protocol.marginCallHealthFactorWad());
        }
        _accounts[account].header = appraisal.header.withCalledAt(0);
        emit MarginCallCleared(account, health);
    }

    /// @inheritdoc IVaultExtension
    function setDeleverage(AccountId account, Deleverage calldata terms) external nonReentrant {
        if (msg.sender != account.ownerOf()) revert NotAuthorized(account.ownerOf(), msg.sender);
        (uint256 trigger, uint256 target, uint256 penalty) =
            (terms.triggerHealthFactorWad, terms.targetHealthFactorWad, terms.penaltyWad);
        bool isOff = trigger == 0 && target == 0 && penalty == 0;
        bool isInRange = trigger > WAD && trigger <= 2 * WAD && target > trigger && target <= MAX_TARGET_HEALTH_FACTOR_WAD
            && penalty >= Configuration.protocol(_table).bonusFloorWad() && penalty <= CloseOutBounds.MAX_PENALTY_WAD;
        if (!isOff && !isInRange) revert DeleverageOutOfRange(trigger, target, penalty);
        uint256 header = _accounts[account].header;
        _accounts[account].header =
            isOff ? header & ~Positions.FLAG_DELEVERAGE : header | Positions.FLAG_DELEVERAGE;
        _deleverages[account] = terms;
        emit DeleverageSet(account, terms);
    }

    /// @inheritdoc IVaultExtension
    function noteInsolvency(AccountId account) external nonReentrant {
        Appraisal memory appraisal = _look(account)[0];
        uint256 factor = WAD + appraisal.context.protocol.bonusFloorWad();
        (uint256 collateral, uint256 debt) = (appraisal.decidingCollateral, appraisal.decidingDebt);
        uint256 noting;
        bool isAnything = collateral * WAD < debt * factor;
        if (isAnything) {
            // what a whole close-out would leave: docs/liquidation.md, sections 5 and 6, "Terminal"
            uint256 repaid = debt.min(collateral.fullMulDivUp(WAD, factor));
            Leg memory next = appraisal.first;
            for (uint256 i = appraisal.legCount; i != 0; --i) {
                Leg memory leg = next;
                assembly ("memory-safe") {
                    next := add(leg, LEG_BYTES)
                }
                if (!leg.isDebt) continue;
                uint256 owed = ValueMath.toDebtUp(leg.balance, leg.index);
                uint256 paid = ValueMath.debtPartUp(leg.balance, leg.index, repaid, debt);
                _noteLoss(account, leg.assetId, owed - paid);
                noting |= 1 << leg.assetId;
            }
        }
        for (uint256 gone = _notedDebts[account] & ~noting; gone != 0; gone &= gone - 1) {
            if (_noteLoss(account, LibBit.ffs(gone), 0)) isAnything = true;
        }
        if (!isAnything) revert AccountNotInsolvent(collateral / RAY_PER_WAD, debt.divUp(RAY_PER_WAD));
        _notedDebts[account] = noting;
    }

    // ---------------------------------------------------------------------------------------------------- borrowers

    /// @inheritdoc IVaultExtension
    function repayWith(AccountId account, uint256 assetId, uint256 amount, Payment payment)
        external
        nonReentrant
        returns (uint256 repaid)
    {
        Configuration.Asset memory asset;
        repaid = _removeDebt(asset, account, assetId, amount, payment);
        if (payment == Payment.Tokens) _pull(asset.token(), msg.sender, repaid);
    }

    /// @inheritdoc IVaultExtension
    function repayShares(AccountId account, uint256 assetId, uint256 shares)
        external
        nonReentrant
        returns (uint256 repaid)
    {
        uint256 amount = ValueMath.toDebtUp(shares.min(type(uint112).max), _indexOf(assetId));
        Configuration.Asset memory asset;
        repaid = _removeDebt(asset, account, assetId, amount, Payment.Tokens);
        _pull(asset.token(), msg.sender, repaid);
    }

    /// @inheritdoc IVaultExtension
    function borrowShares(AccountId account, uint256 assetId, uint256 shares, address to)
        external
        nonReentrant
        returns (uint256 amount)
    {
        _requireAuthorized(account);
        amount = ValueMath.toDebtDown(shares.min(type(uint112).max), _indexOf(assetId));
        Configuration.Asset memory asset;
        _addDebt(asset, account, assetId, amount, to);
        _requireHealthy(account);
        SafeTransferLib.safeTransfer(asset.token(), to, amount);
    }

    /// @inheritdoc IVaultExtension
    function rebalance(AccountId account, Rebalancing calldata moves, address receiver, bytes calldata data)
        external
        nonReentrant
    {
        _requireAuthorized(account);
        address table = _table;
        Configuration.Asset memory asset;
        for (uint256 i; i < moves.withdrawals.length; ++i) {
            uint256 assetId = moves.withdrawals[i].assetId;
            (uint256 amount,) = _removeCollateral(account, assetId, moves.withdrawals[i].amount, receiver);
            SafeTransferLib.safeTransfer(_assetAt(table, assetId).token(), receiver, amount);
        }
        for (uint256 i; i < moves.borrows.length; ++i) {
            uint256 amount = moves.borrows[i].amount;
            _addDebt(asset, account, moves.borrows[i].assetId, amount, receiver);
            SafeTransferLib.safeTransfer(asset.token(), receiver, amount);
        }
        if (data.length != 0) IRebalanceCallback(msg.sender).onRebalance(data);
        for (uint256 i; i < moves.deposits.length; ++i) {
            (uint256 assetId, uint256 amount) = (moves.deposits[i].assetId, moves.deposits[i].amount);
            bool isRescue;
            (, isRescue) = _addCollateral(asset, account, assetId, amount);
            uint256 balance = _pull(asset.token(), msg.sender, amount);
            if (!isRescue) _requireCollateralCap(assetId, asset, balance);
        }
        for (uint256 i; i < moves.repayments.length; ++i) {
            (uint256 assetId, uint256 amount) = (moves.repayments[i].assetId, moves.repayments[i].amount);
            amount = _removeDebt(asset, account, assetId, amount, Payment.Tokens);
            _pull(asset.token(), msg.sender, amount);
        }
        (, uint256 debts) = _accounts[account].header.countSides();
        if (debts != 0) _requireHealthy(account);
    }

    // ------------------------------------------------------------------------------------------------------ lenders

    /// @inheritdoc IVaultExtension
    function supply(uint256 assetId, uint256 assets, address receiver) external nonReentrant returns (uint256 shares) {
        (Configuration.Asset memory asset, Market memory market) = _openMarket(assetId);
        shares = SharesMath.toSharesDown(assets, _supplyAssets(market), market.supplyShares);
        _enter(assetId, asset, market, assets, shares, receiver);
    }

    /// @inheritdoc IVaultExtension
    function mint(uint256 assetId, uint256 shares, address receiver) external nonReentrant returns (uint256 assets) {
        (Configuration.Asset memory asset, Market memory market) = _openMarket(assetId);
        assets = SharesMath.toAssetsUp(shares, _supplyAssets(market), market.supplyShares);
        _enter(assetId, asset, market, assets, shares, receiver);
    }

    function _openMarket(uint256 assetId)
        private
        view
        returns (Configuration.Asset memory asset, Market memory market)
    {
        asset = _assetAt(_table, assetId);
        market = _loadMarket(assetId, asset);
    }

    function _enter(
        uint256 assetId,
        Configuration.Asset memory asset,
        Market memory market,
        uint256 assets,
        uint256 shares,
        address receiver
    ) private {
        if (assets == 0 || shares == 0) revert ZeroAmount();
        if (!asset.hasFlag(Configuration.FLAG_BORROWABLE)) revert AssetNotBorrowable(assetId);
        uint256 total = _supplyAssets(market) + assets;
        if (total > asset.supplyCap()) revert CapExceeded(assetId, total, asset.supplyCap());
        market.idle += assets;
        market.supplyShares += shares;
        _storeMarket(assetId, asset, market);
        _supplyShares[assetId][receiver] += shares;
        _heldShares[assetId] += shares;
        emit Supplied(assetId, msg.sender, receiver, assets, shares);
        _pull(asset.token(), msg.sender, assets);
    }

    /// @inheritdoc IVaultExtension
    function withdraw(uint256 assetId, uint256 assets, address receiver, address owner)
        external
        nonReentrant
        returns (uint256 shares)
    {
        (Configuration.Asset memory asset, Market memory market) = _openMarket(assetId);
        shares = SharesMath.toSharesUp(assets, _exitAssets(assetId, market), market.supplyShares);
        _exit(assetId, asset, market, assets, shares, receiver, owner);
    }

    /// @inheritdoc IVaultExtension
    function redeem(uint256 assetId, uint256 shares, address receiver, address owner)
        external
        nonReentrant
        returns (uint256 assets)
    {
        (Configuration.Asset memory asset, Market memory market) = _openMarket(assetId);
        assets = SharesMath.toAssetsDown(shares, _exitAssets(assetId, market), market.supplyShares);
        _exit(assetId, asset, market, assets, shares, receiver, owner);
    }

    function _exit(
        uint256 assetId,
        Configuration.Asset memory asset,
        Market memory market,
        uint256 assets,
        uint256 shares,
        address receiver,
        address owner
    ) private {
        if (assets == 0 || shares == 0) revert ZeroAmount();
        if (msg.sender != owner && msg.sender != _supplyTokens[assetId]) revert NotAuthorized(owner, msg.sender);
        _burnShares(assetId, market, owner, shares);
        if (assets > market.idle) revert InsufficientLiquidity(market.idle, assets);
        market.idle -= assets;
        _storeMarket(assetId, asset, market);

        emit Withdrawn(assetId, owner, receiver, assets, shares);
        SafeTransferLib.safeTransfer(asset.token(), receiver, assets);
    }

    /// @inheritdoc IVaultExtension
    function transferSupply(uint256 assetId, address from, address to, uint256 shares) external nonReentrant {
        if (msg.sender != _supplyTokens[assetId]) revert NotSupplyToken(assetId, msg.sender);
        Configuration.Asset memory asset = _assetAt(_table, assetId);
        Market memory market = _loadMarket(assetId, asset);
        _burnShares(assetId, market, from, shares);
        market.supplyShares += shares;
        // principal stays where it is, so the rate does too
        _writeMarket(assetId, market);
        _supplyShares[assetId][to] += shares;
        _heldShares[assetId] += shares;
        emit SupplyTransferred(assetId, from, to, shares);
    }

    /// @inheritdoc IVaultExtension
    /// @dev The Vault is open while the loan is out. Safe because the loan stands in the books as a debt of nobody: idle is
    /// lower by what left, total debt higher by the same, to the unit (in units, not in shares: those would round), so that P1
    /// holds in every view, a supply share keeps its value, and nothing that is done inside finds a figure it would not find
    /// next to an ordinary borrower of that size. The index cannot
    /// move meanwhile: time stands still. What was lent and the fee are pulled under the lock.
    function flashLoan(address receiver, address token, uint256 amount, bytes calldata data) external returns (bool) {
        uint256 assetId = assetIdOf(token);
        uint256 fee = flashFee(token, amount);
        _lendFlash(assetId, receiver, token, amount);
        bytes32 answer = IERC3156FlashBorrower(receiver).onFlashLoan(msg.sender, token, amount, fee, data);
        if (answer != keccak256("ERC3156FlashBorrower.onFlashLoan")) revert CallbackFailed(receiver);
        _takeBackFlash(assetId, receiver, token, amount, fee);
        return true;
    }

    function _lendFlash(uint256 assetId, address receiver, address token, uint256 amount) private nonReentrant {
        if (amount == 0) revert ZeroAmount();
        Configuration.Asset memory asset = _assetAt(_table, assetId);
        Market memory market = _loadMarket(assetId, asset);
        if (amount > market.idle) revert InsufficientLiquidity(market.idle, amount);
        market.idle -= amount;
        market.lent += amount;
        _setLent(assetId, market.lent);
        _storeMarket(assetId, asset, market);
        SafeTransferLib.safeTransfer(token, receiver, amount);
    }

    function _takeBackFlash(uint256 assetId, address receiver, address token, uint256 amount, uint256 fee)
        private
        nonReentrant
    {
        Configuration.Asset memory asset = _assetAt(_table, assetId);
        Market memory market = _loadMarket(assetId, asset);
        market.idle += amount + fee;
        market.lent -= amount;
        _setLent(assetId, market.lent);
        _storeMarket(assetId, asset, market);
        emit FlashLoan(receiver, assetId, amount, fee);
        _pull(token, receiver, amount + fee);
    }

    /// @inheritdoc IVaultExtension
    function maxFlashLoan(address token) external view whenSettled returns (uint256) {
        uint256 place = _assetIds[token];
        return place == 0 ? 0 : _supplyStates[place - 1].idle;
    }

    /// @inheritdoc IVaultExtension
    function flashFee(address token, uint256 amount) public view returns (uint256) {
        return (amount * _assetAt(_table, assetIdOf(token)).flashFeeBps()).divUp(BPS);
    }

    // ----------------------------------------------------------------------------------------------------- claims

    /// @inheritdoc IVaultExtension
    function claim(uint256 assetId, uint256 amount, address to) external nonReentrant {
        if (amount == 0) revert ZeroAmount();
        address token = _assetAt(_table, assetId).token();
        _debitClaim(msg.sender, assetId, amount);
        emit Claimed(msg.sender, assetId, to, amount);
        SafeTransferLib.safeTransfer(token, to, amount);
    }

    /// @inheritdoc IVaultExtension
    function creditClaim(uint256 assetId, uint256 amount, address holder) external nonReentrant {
        if (amount == 0) revert ZeroAmount();
        address token = _assetAt(_table, assetId).token();
        _creditClaim(holder, assetId, amount);
        _pull(token, msg.sender, amount);
    }

    // -------------------------------------------------------------------------------------------------- operators

    /// @inheritdoc IVaultExtension
    function setOperator(address operator, bool isApproved) external nonReentrant {
        _operators[msg.sender][operator] = isApproved;
        emit OperatorSet(msg.sender, operator, isApproved);
    }

    /// @inheritdoc IVaultExtension
    function setOperatorBySig(
        address owner,
        address operator,
        bool isApproved,
        uint256 deadline,
        bytes calldata signature
    ) external nonReentrant {
        if (block.timestamp > deadline) revert SignatureExpired(deadline, block.timestamp);
        bytes32 digest = _hashTypedData(
            keccak256(abi.encode(OPERATOR_TYPEHASH, owner, operator, isApproved, _nonces[owner]++, deadline))
        );
        if (!SignatureCheckerLib.isValidSignatureNowCalldata(owner, digest, signature)) revert SignatureInvalid(owner);
        _operators[owner][operator] = isApproved;
        emit OperatorSet(owner, operator, isApproved);
    }

    /// @inheritdoc IVaultExtension
    function invalidateNonces(uint256 next) external nonReentrant {
        if (next <= _nonces[msg.sender]) revert NonceNotLater(_nonces[msg.sender], next);
        _nonces[msg.sender] = next;
    }

    /// @inheritdoc IVaultExtension
    function permit(address token, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        nonReentrant
    {
        // a permit that somebody used before us has done its work
        if (IERC20(token).allowance(msg.sender, address(this)) >= amount) return;
        if (_permit2Allowance(token) >= amount) return;
        SafeTransferLib.permit2(token, msg.sender, address(this), amount, deadline, v, r, s);
    }

    /// @dev What the Vault can take of the caller's tokens through Permit2.
    function _permit2Allowance(address token) private view returns (uint256 allowed) {
        address permit2 = SafeTransferLib.PERMIT2;
        if (permit2.code.length == 0) return 0;
        uint256 expiration;
        (allowed, expiration,) = IPermit2(permit2).allowance(msg.sender, token, address(this));
        if (expiration < block.timestamp) return 0;
        allowed = allowed.min(IERC20(token).allowance(msg.sender, permit2));
    }

    /// @dev EIP-712 domain; under delegatecall it is the Vault's address that stands in it.
    function _domainNameAndVersion() internal pure override returns (string memory, string memory) {
        return ("Closeout Vault", "1");
    }

    // ------------------------------------------------------------------------------------------------------ control

    /// @inheritdoc IVaultExtension
    function setConfiguration(address table) external restricted nonReentrant {
        uint256 listed = Configuration.protocol(_table).assetCount();
        uint256 count = Configuration.protocol(table).assetCount();
        // a new asset starts accruing from here; an old one is never unlisted, only emptied
        if (table.code.length == 0 || count < listed) revert ConfigurationMissing();
        for (uint256 assetId; assetId < listed; ++assetId) {
            // interest until now is shared by the old terms: no supply share falls because a reserve factor rises
            Configuration.Asset memory asset = Configuration.asset(_table, assetId);
            bool isSame = asset.reserveFactorBps() == Configuration.asset(table, assetId).reserveFactorBps();
            if (!isSame) _writeMarket(assetId, _loadMarket(assetId, asset));
        }
        for (uint256 assetId = listed; assetId < count; ++assetId) {
            _borrowStates[assetId].index = uint72(INDEX_ONE);
            _borrowStates[assetId].accruedAt = uint40(block.timestamp);
            _assetIds[Configuration.asset(table, assetId).token()] = assetId + 1;
        }
        _table = table;
        emit ConfigurationSet(table);
    }

    /// @inheritdoc IVaultExtension
    function setSupplyToken(uint256 assetId, address token) external restricted nonReentrant {
        if (_supplyTokens[assetId] != address(0)) revert SupplyTokenAlreadySet(assetId);
        _supplyTokens[assetId] = token;
        emit SupplyTokenSet(assetId, token);
    }

    /// @inheritdoc IVaultExtension
    function askRouterUntil(uint40 until) external restricted {
        _askRouterUntil = until;
        emit RouterAskedUntil(until);
    }

    /// @inheritdoc IVaultExtension
    function setPauses(AssetSet borrowing, AssetSet withdrawing) external restricted nonReentrant {
        uint256 pauses = AssetSet.unwrap(borrowing) | (uint256(AssetSet.unwrap(withdrawing)) << 128);
        (_pauses, _isAnyPaused) = (pauses, pauses != 0);
        emit PausesSet(borrowing, withdrawing);
    }

    // ------------------------------------------------------------------------------------------------------ views

    /// @inheritdoc IVaultExtension
    function configuration() external view returns (address table) {
        return _table;
    }

    /// @inheritdoc IVaultExtension
    function positionOf(AccountId account)
        external
        view
        whenSettled
        returns (
            uint256[] memory collateralIds,
            uint256[] memory collateralAmounts,
            uint256[] memory debtIds,
            uint256[] memory debtAmounts
        )
    {
        Positions.Account storage stored = _accounts[account];
        uint256 header = stored.header;
        (uint256 collaterals, uint256 debts) = header.countSides();
        (collateralIds, collateralAmounts) = (new uint256[](collaterals), new uint256[](collaterals));
        (debtIds, debtAmounts) = (new uint256[](debts), new uint256[](debts));
        for (uint256 i = collaterals + debts; i != 0;) {
            uint256 entry = header.entryAt(--i);
            uint256 balance = stored.balanceAt(i);
            if (entry & Positions.DEBT_SIDE == 0) {
                (collateralIds[--collaterals], collateralAmounts[collaterals]) = (entry, balance);
            } else {
                uint256 assetId = entry ^ Positions.DEBT_SIDE;
                (debtIds[--debts], debtAmounts[debts]) = (assetId, ValueMath.toDebtUp(balance, _indexOf(assetId)));
            }
        }
    }

    /// @inheritdoc IVaultExtension
    function priceOf(uint256 assetId)
        external
        view
        whenSettled
        returns (Status status, uint256 collateralWad, uint256 debtWad, uint256 exchangeWad)
    {
        Context memory context;
        _loadContext(context);
        Configuration.Asset memory asset = _assetAt(context.table, assetId);
        uint256 priceWad = _priceInPlace(context, asset);
        if (priceWad != 0) return (Status.Fresh, priceWad, priceWad, priceWad);
        Price memory price = _priceByRouter(context, asset);
        return (price.status, price.collateralWad, price.debtWad, price.exchangeWad);
    }

    /// @inheritdoc IVaultExtension
    function timesOf(AccountId account) external view whenSettled returns (uint256 calledAt, uint256 actedAt) {
        uint256 header = _accounts[account].header;
        return (header.calledAt(), header.actedAt());
    }

    /// @inheritdoc IVaultExtension
    function marketOf(uint256 assetId)
        external
        view
        whenSettled
        returns (uint256 idle, uint256 debt, uint256 supplyShares, uint256 index, uint256 ratePerYear)
    {
        Market memory market = _loadMarket(assetId, _assetAt(_table, assetId));
        return (market.idle, _totalDebt(market), market.supplyShares, market.index, market.ratePerYear);
    }

    /// @inheritdoc IVaultExtension
    function expectedLossOf(uint256 assetId) external view whenSettled returns (uint256 expected, uint256 uncovered) {
        return (_expectedLosses[assetId], _uncoveredLoss(assetId));
    }

    /// @inheritdoc IVaultExtension
    function notedLossOf(AccountId account, uint256 assetId) external view whenSettled returns (uint256) {
        return _notedLosses[account][assetId];
    }

    /// @inheritdoc IVaultExtension
    function deleverageOf(AccountId account) external view whenSettled returns (Deleverage memory) {
        return _deleverages[account];
    }

    /// @inheritdoc IVaultExtension
    function supplySharesOf(uint256 assetId, address holder) external view whenSettled returns (uint256 shares) {
        address table = _table;
        shares = _supplyShares[assetId][holder];
        if (holder == Configuration.protocol(table).treasury()) {
            shares += _loadMarket(assetId, _assetAt(table, assetId)).supplyShares - _heldShares[assetId];
        }
    }

    /// @inheritdoc IVaultExtension
    function claimOf(address holder, uint256 assetId) external view whenSettled returns (uint256 amount) {
        amount = _claims[holder][assetId];
        if (holder == Configuration.protocol(_table).penaltySplitter()) amount += _seizureStates[assetId].protocolClaim;
    }

    /// @inheritdoc IVaultExtension
    function isOperator(address owner, address operator) external view returns (bool) {
        return _operators[owner][operator];
    }

    /// @inheritdoc IVaultExtension
    function nonceOf(address owner) external view returns (uint256) {
        return _nonces[owner];
    }

    /// @inheritdoc IVaultExtension
    function supplyTokenOf(uint256 assetId) external view returns (address) {
        return _supplyTokens[assetId];
    }

    /// @inheritdoc IVaultExtension
    function assetIdOf(address token) public view returns (uint256) {
        uint256 place = _assetIds[token];
        if (place == 0) revert TokenNotListed(token);
        return place - 1;
    }
}
