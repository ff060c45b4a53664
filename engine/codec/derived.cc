#include "codec/derived.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "base/check.h"
#include "codec/int_codec.h"
#include "codec/int_vector.h"

namespace quipu {
namespace {

constexpr int kScaleMax = 18;
// Rows behind an unexplained one among which the largest cost is looked for.
constexpr std::size_t kWindow = 32;

struct Price {
  std::int64_t mantissa = 0;
  int scale = 0;
};

constexpr std::uint64_t PowerOf10(int exponent) {
  std::uint64_t power = 1;
  for (int i = 0; i < exponent; ++i) power *= 10;
  return power;
}

constexpr std::uint64_t Magnitude(std::int64_t v) {
  return v < 0 ? 0 - static_cast<std::uint64_t>(v) : static_cast<std::uint64_t>(v);
}

// A price made ready for one pair of scales. Dividing by 10^d is multiplying by
// magic = floor(2^(63 + l) / 10^d) + 1 with l = ceil(log2(10^d)) and dropping 63 + l bits, exact
// below 2^63 (Granlund and Montgomery, "Division by Invariant Integers using Multiplication", 1994).
struct Factor {
  std::uint64_t mantissa = 0, half = 0, magic = 0;
  int shift = -1;  // -1: nothing to divide by

  [[nodiscard]] std::int64_t CostOf(std::int64_t quantity) const {
    const std::uint64_t product = static_cast<std::uint64_t>(quantity) * mantissa;
    if (shift < 0) return static_cast<std::int64_t>(product);
    const bool negative = static_cast<std::int64_t>(product) < 0;
    const std::uint64_t magnitude = (negative ? 0 - product : product) + half;
    const std::uint64_t quotient =
        magnitude >> 63 == 0
            ? static_cast<std::uint64_t>((Uint128{magnitude} * magic) >> 64) >> shift
            : magnitude / (2 * half);
    return static_cast<std::int64_t>(negative ? 0 - quotient : quotient);
  }
};

// Nothing if it divides by more than 10^18.
std::optional<Factor> FactorOf(const Price& price, int quantity_scale, int cost_scale) {
  const int divide = quantity_scale + price.scale - cost_scale;  // -18..36
  if (divide > kScaleMax) return std::nullopt;
  Factor factor;
  factor.mantissa = static_cast<std::uint64_t>(price.mantissa);
  if (divide <= 0) {
    factor.mantissa *= PowerOf10(-divide);
    return factor;
  }
  const std::uint64_t divisor = PowerOf10(divide);
  const int bits = BitsFor(divisor - 1);
  factor.half = divisor / 2;
  factor.magic = static_cast<std::uint64_t>((Uint128{1} << (63 + bits)) / divisor) + 1;
  factor.shift = bits - 1;
  return factor;
}

// The price of the fewest places that turns this quantity into this cost, and how.
std::optional<std::pair<Price, Factor>> PriceOf(std::int64_t quantity, int quantity_scale,
                                                std::int64_t cost, int cost_scale) {
  if (quantity == 0) return std::nullopt;
  for (int scale = 0; scale <= kScaleMax; ++scale) {
    const int raise = scale + quantity_scale - cost_scale;  // price = cost * 10^raise / quantity
    if (raise > kScaleMax) return std::nullopt;
    const Uint128 dividend = Uint128{Magnitude(cost)} * PowerOf10(std::max(raise, 0));
    const Uint128 divisor = Uint128{Magnitude(quantity)} * PowerOf10(std::max(-raise, 0));
    const Uint128 nearest = (dividend + divisor / 2) / divisor;
    if (nearest > static_cast<Uint128>(std::numeric_limits<std::int64_t>::max())) break;
    const auto mantissa = static_cast<std::int64_t>(nearest);
    const Price price{(quantity < 0) == (cost < 0) ? mantissa : -mantissa, scale};
    const std::optional<Factor> factor = FactorOf(price, quantity_scale, cost_scale);
    if (factor && factor->CostOf(quantity) == cost) return std::pair(price, *factor);
  }
  return std::nullopt;
}

// What explains the costs so far.
struct Plan {
  std::array<Price, kDerivedPricesMax> prices;
  std::array<Factor, kDerivedPricesMax> factors;
  std::size_t count = 0;
  std::array<std::int64_t, kVectorValuesMax> codes, positions, values;
  std::size_t exceptions = 0;
};

// The price that turns this quantity into this cost, the one before first; count if none does.
std::size_t Explain(const Plan& plan, std::size_t before, std::int64_t quantity,
                    std::int64_t cost) {
  if (before < plan.count && plan.factors[before].CostOf(quantity) == cost) return before;
  for (std::size_t k = 0; k < plan.count; ++k) {
    if (plan.factors[k].CostOf(quantity) == cost) return k;
  }
  return plan.count;
}

struct Columns {
  std::span<const std::int64_t> quantities;
  int quantity_scale;
  std::span<const std::int64_t> costs;
  int cost_scale;
};

// Looks for the price of value i: rounding hides the price of a small cost, so the largest among the
// next ones that are not explained either is asked.
bool AddPrice(const Columns& columns, std::size_t i, Plan* plan) {
  const std::size_t end = std::min(columns.costs.size(), i + kWindow);
  std::size_t largest = i;
  for (std::size_t j = i + 1; j < end; ++j) {
    if (Magnitude(columns.costs[j]) > Magnitude(columns.costs[largest]) &&
        Explain(*plan, 0, columns.quantities[j], columns.costs[j]) == plan->count)
      largest = j;
  }
  for (const std::size_t j : {largest, i}) {
    const auto found = PriceOf(columns.quantities[j], columns.quantity_scale, columns.costs[j],
                               columns.cost_scale);
    if (!found || found->second.CostOf(columns.quantities[i]) != columns.costs[i]) continue;
    // With enough places some price fits any one value; one that is meant fits the next, too.
    std::size_t fits = 0;
    for (std::size_t k = i; k < end && fits < 2; ++k)
      fits += found->second.CostOf(columns.quantities[k]) == columns.costs[k] ? 1u : 0u;
    if (fits < 2) continue;
    plan->prices[plan->count] = found->first;
    plan->factors[plan->count++] = found->second;
    return true;
  }
  return false;
}

bool MakePlan(const Columns& columns, Plan* plan) {
  const std::size_t n = columns.costs.size();
  std::size_t code = 0;
  for (std::size_t i = 0; i < n; ++i) {
    std::size_t found = Explain(*plan, code, columns.quantities[i], columns.costs[i]);
    if (found == plan->count) {
      // A column that is not derived shows in its first rows: nearly each would need its own price.
      if (plan->count + plan->exceptions > 4 + i / 8) return false;
      const bool added = plan->count < kDerivedPricesMax && AddPrice(columns, i, plan);
      if (!added) {
        plan->positions[plan->exceptions] = static_cast<std::int64_t>(i);
        plan->values[plan->exceptions++] = columns.costs[i];
        found = code < plan->count ? code : 0;  // whatever continues the run
      }
    }
    code = found;
    plan->codes[i] = static_cast<std::int64_t>(code);
  }
  return plan->count > 0;
}

Status ReadPrices(ByteReader* in, int quantity_scale, int cost_scale,
                  std::array<Factor, kDerivedPricesMax>* factors, std::size_t* count) {
  *count = in->U8();
  if (!in->ok()) return in->status("derived");
  if (*count == 0 || *count > factors->size())
    return Status::Corruption("derived: " + std::to_string(*count) + " prices");
  for (std::size_t k = 0; k < *count; ++k) {
    const int scale = in->U8();
    const std::int64_t mantissa = UnZigZag(in->Varint());
    if (!in->ok()) return in->status("derived");
    if (scale > kScaleMax)
      return Status::Corruption("derived: a price of " + std::to_string(scale) + " places");
    const auto factor = FactorOf({mantissa, scale}, quantity_scale, cost_scale);
    if (!factor) return Status::Corruption("derived: a price of too many places");
    (*factors)[k] = *factor;
  }
  return Status();
}

Status ReadExceptions(Bytes* in, std::span<std::int64_t> costs) {
  ByteReader reader(*in);
  const std::uint64_t count = reader.Varint();
  if (!reader.ok()) return reader.status("derived");
  if (count > costs.size())
    return Status::Corruption("derived: " + std::to_string(count) + " exceptions");
  *in = in->last(reader.remaining());
  if (count == 0) return Status();
  std::array<std::int64_t, kVectorValuesMax> positions, values;
  QUIPU_TRY(DecodeInts(in, std::span(positions).first(count)));
  QUIPU_TRY(DecodeInts(in, std::span(values).first(count)));
  std::int64_t before = -1;
  for (std::size_t i = 0; i < count; ++i) {
    if (positions[i] <= before || static_cast<std::uint64_t>(positions[i]) >= costs.size())
      return Status::Corruption("derived: positions do not ascend below " +
                                std::to_string(costs.size()));
    before = positions[i];
    costs[static_cast<std::size_t>(before)] = values[i];
  }
  return Status();
}

}  // namespace

bool EncodeDerived(std::span<const std::int64_t> quantities, int quantity_scale,
                   std::span<const std::int64_t> costs, int cost_scale, std::string* out) {
  QUIPU_CHECK(!costs.empty() && costs.size() <= kVectorValuesMax &&
              quantities.size() == costs.size());
  Plan plan;
  if (!MakePlan({quantities, quantity_scale, costs, cost_scale}, &plan)) return false;
  ByteWriter writer(out);
  writer.U8(static_cast<std::uint8_t>(plan.count));
  for (std::size_t k = 0; k < plan.count; ++k) {
    writer.U8(static_cast<std::uint8_t>(plan.prices[k].scale));
    writer.Varint(ZigZag(plan.prices[k].mantissa));
  }
  if (plan.count > 1) EncodeInts(std::span(plan.codes).first(costs.size()), out);
  writer.Varint(plan.exceptions);
  if (plan.exceptions > 0) {
    EncodeInts(std::span(plan.positions).first(plan.exceptions), out);
    EncodeInts(std::span(plan.values).first(plan.exceptions), out);
  }
  return true;
}

Status DecodeDerived(Bytes* in, std::span<const std::int64_t> quantities, int quantity_scale,
                     int cost_scale, std::span<std::int64_t> costs) {
  const std::size_t n = costs.size();
  QUIPU_CHECK(n > 0 && n <= kVectorValuesMax && quantities.size() == n);
  std::array<Factor, kDerivedPricesMax> factors;
  std::size_t count = 0;
  ByteReader reader(*in);
  QUIPU_TRY(ReadPrices(&reader, quantity_scale, cost_scale, &factors, &count));
  *in = in->last(reader.remaining());
  if (count == 1) {
    const Factor factor = factors[0];
    for (std::size_t i = 0; i < n; ++i) costs.data()[i] = factor.CostOf(quantities.data()[i]);
    return ReadExceptions(in, costs);
  }
  std::array<std::int64_t, kVectorValuesMax> codes;
  QUIPU_TRY(DecodeInts(in, std::span(codes).first(n)));
  for (std::size_t i = 0; i < n; ++i) {
    const auto code = static_cast<std::uint64_t>(codes[i]);
    if (code >= count)
      return Status::Corruption("derived: a price number is not below " + std::to_string(count));
    costs[i] = factors[code].CostOf(quantities[i]);
  }
  return ReadExceptions(in, costs);
}

}  // namespace quipu
