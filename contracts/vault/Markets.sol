// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {AccountId} from "interfaces/Types.sol";
import {IRateModel} from "interfaces/IRateModel.sol";
import {Configuration} from "../libraries/Configuration.sol";
import {InterestMath} from "../libraries/InterestMath.sol";
import {SharesMath} from "../libraries/SharesMath.sol";
import {BPS, WAD} from "../libraries/Units.sol";
import {ValueMath} from "../libraries/ValueMath.sol";
import {BoundedCall} from "../oracles/BoundedCall.sol";
import {VaultBase} from "./VaultBase.sol";

/// @title An asset's totals: loading, accrual, latching; supply shares and claims
abstract contract Markets is VaultBase {
    using Configuration for Configuration.Asset;
    using Configuration for Configuration.Protocol;
    using FixedPointMathLib for uint256;
    using SafeCastLib for uint256;

    /// @dev One asset's totals in memory, accrued to now.
    struct Market {
        uint256 debtShares;
        uint256 index;
        uint256 ratePerYear;
        uint256 idle;
        uint256 supplyShares;
        uint256 interest;
        uint256 feeShares;
        /// Out in flash loans.
        uint256 lent;
        /// The index grew since it was stored, or the rate is another one.
        bool isMoved;
    }

    /// @dev Gas an interest-rate model gets. One that fails keeps the rate where it was: it cannot stop an action.
    uint256 private constant RATE_MODEL_GAS = 100_000;

    function _debitClaim(address holder, uint256 assetId, uint256 amount) internal {
        _collectPenalties(holder, assetId);
        uint256 balance = _claims[holder][assetId];
        if (balance < amount) revert InsufficientClaim(balance, amount);
        _claims[holder][assetId] = balance - amount;
    }

    /// @dev The penalty splitter's claims accrue in the asset's own slot, where a close-out finds them warm.
    function _collectPenalties(address holder, uint256 assetId) private {
        if (holder != Configuration.protocol(_table).penaltySplitter()) return;
        uint256 accrued = _seizureStates[assetId].protocolClaim;
        if (accrued == 0) return;
        _seizureStates[assetId].protocolClaim = 0;
        _claims[holder][assetId] += accrued;
        emit PenaltiesCollected(assetId, holder, accrued);
    }

    function _totalDebt(Market memory market) internal pure returns (uint256) {
        unchecked {
            return ValueMath.toDebtDown(market.debtShares, market.index) + market.lent;
        }
    }

    function _supplyAssets(Market memory market) internal pure returns (uint256) {
        unchecked {
            return market.idle + _totalDebt(market);
        }
    }

    /// @dev What supply shares are worth to who leaves: his part of the losses that are noted, and that the insurance fund does not
    /// cover, stays behind for those who will bear them.
    function _exitAssets(uint256 assetId, Market memory market) internal view returns (uint256) {
        return _supplyAssets(market).zeroFloorSub(_uncoveredLoss(assetId));
    }

    function _uncoveredLoss(uint256 assetId) internal view returns (uint256) {
        uint256 expected = _expectedLosses[assetId];
        if (expected == 0) return 0;
        return expected.zeroFloorSub(_claims[Configuration.protocol(_table).insuranceFund()][assetId]);
    }

    /// @dev Writes what is expected of one debt of an account; 0 lifts the note. Whether that changes anything.
    function _noteLoss(AccountId account, uint256 assetId, uint256 loss) internal returns (bool isNew) {
        uint256 noted = _notedLosses[account][assetId];
        if (noted == loss) return false;
        _notedLosses[account][assetId] = loss;
        _expectedLosses[assetId] = _expectedLosses[assetId] + loss - noted;
        emit InsolvencyNoted(account, assetId, loss);
        return true;
    }

    /// @dev Booked bad debt is expected no more; of a debt that ended nothing is.
    function _realizeLoss(AccountId account, uint256 assetId, uint256 badDebt, bool isLast) internal {
        uint256 noted = _notedLosses[account][assetId];
        _noteLoss(account, assetId, isLast ? 0 : noted.zeroFloorSub(badDebt));
    }

    /// @dev The debt index of an asset, accrued to now.
    function _indexOf(uint256 assetId) internal view returns (uint256) {
        unchecked {
            BorrowState storage state = _borrowStates[assetId];
            return InterestMath.grow(state.index, state.ratePerYear, block.timestamp - state.accruedAt);
        }
    }

    /// @dev Totals accrued to now, with the treasury's part of the interest as new supply shares.
    function _loadMarket(uint256 assetId, Configuration.Asset memory asset)
        internal
        view
        returns (Market memory market)
    {
        _fillMarket(market, assetId, asset, _indexOf(assetId));
    }

    /// @dev The same where the index of now is known already.
    function _marketAt(uint256 assetId, Configuration.Asset memory asset, uint256 index)
        internal
        view
        returns (Market memory market)
    {
        _fillMarket(market, assetId, asset, index);
    }

    function _fillMarket(Market memory market, uint256 assetId, Configuration.Asset memory asset, uint256 index)
        private
        view
    {
        unchecked {
            BorrowState storage borrowed = _borrowStates[assetId];
            SupplyState storage supplied = _supplyStates[assetId];
            (uint256 debtShares, uint256 indexBefore) = (borrowed.shares, borrowed.index);
            (market.debtShares, market.index, market.ratePerYear) = (debtShares, index, borrowed.ratePerYear);
            (market.idle, market.supplyShares, market.lent) = (supplied.idle, supplied.shares, _lentOf(assetId));
            if (index == indexBefore) return;

            market.isMoved = true;
            uint256 interest =
                ValueMath.toDebtDown(debtShares, index) - ValueMath.toDebtDown(debtShares, indexBefore);
            market.interest = interest;
            uint256 fee = interest * asset.reserveFactorBps() / BPS;
            if (fee == 0) return;
            uint256 feeShares = SharesMath.toSharesDown(fee, _supplyAssets(market) - fee, market.supplyShares);
            market.feeShares = feeShares;
            market.supplyShares += feeShares;
        }
    }

    /// @dev Latches the rate for what the action left and writes both slots.
    function _storeMarket(uint256 assetId, Configuration.Asset memory asset, Market memory market) internal {
        uint256 rate = _rate(asset, market);
        if (rate != market.ratePerYear) (market.ratePerYear, market.isMoved) = (rate, true);
        _writeMarket(assetId, market);
    }

    /// @dev Writes both slots with the rate as it was: for what moves no principal.
    function _writeMarket(uint256 assetId, Market memory market) internal {
        // also where the interest is less than a unit: who follows the events must know the index
        if (market.isMoved) {
            emit Accrued(assetId, market.index, market.ratePerYear, market.interest, market.feeShares);
        }
        uint256 debtShares = market.debtShares;
        if (debtShares > type(uint112).max) revert AmountTooLarge(debtShares, type(uint112).max);
        // field by field, not as a struct made in memory: the compiler joins them to one write
        BorrowState storage borrowed = _borrowStates[assetId];
        (borrowed.shares, borrowed.index) = (uint112(debtShares), uint72(market.index));
        (borrowed.accruedAt, borrowed.ratePerYear) = (uint40(block.timestamp), uint32(market.ratePerYear));
        SupplyState storage supplied = _supplyStates[assetId];
        (supplied.idle, supplied.shares) = (market.idle.toUint120(), market.supplyShares.toUint136());
    }

    function _rate(Configuration.Asset memory asset, Market memory market) private view returns (uint256) {
        unchecked {
            uint256 debt = _totalDebt(market);
            uint256 utilisation = debt == 0 ? 0 : debt * WAD / (market.idle + debt);
            address model = asset.rateModel();
            if (model == address(0)) {
                (uint256 base, uint256 slope1, uint256 slope2, uint256 kinkWad) = asset.rateParameters();
                return InterestMath.kinkedRate(utilisation, base, slope1, slope2, kinkWad);
            }
            (bool isAnswered, uint256 rate) =
                BoundedCall.tryWord(model, RATE_MODEL_GAS, abi.encodeCall(IRateModel.ratePerYear, (utilisation)));
            if (!isAnswered) return market.ratePerYear;
            return rate < InterestMath.MAX_RATE ? rate : InterestMath.MAX_RATE;
        }
    }

    /// @dev Takes supply shares from a holder and from the market in memory. What the treasury earned is booked to it first.
    function _burnShares(uint256 assetId, Market memory market, address holder, uint256 shares) internal {
        _collectReserves(assetId, market, holder);
        uint256 balance = _supplyShares[assetId][holder];
        if (balance < shares) revert InsufficientShares(balance, shares);
        _supplyShares[assetId][holder] = balance - shares;
        _heldShares[assetId] -= shares;
        market.supplyShares -= shares;
    }

    /// @dev Books to the treasury, where it is the holder, the shares that accrued to it in the market's total.
    function _collectReserves(uint256 assetId, Market memory market, address holder) internal {
        if (holder != Configuration.protocol(_table).treasury()) return;
        uint256 uncollected = market.supplyShares - _heldShares[assetId];
        if (uncollected == 0) return;
        _supplyShares[assetId][holder] += uncollected;
        _heldShares[assetId] += uncollected;
        emit ReservesCollected(assetId, holder, uncollected);
    }
}
