// 192-bit two's complement integers as three words: just enough arithmetic to bring the sums of a column to a common
// scale and back. A sum at scale 18 has zeros at its end that no encoding sees; at the column's own scale most fit one word.
#pragma once

#include <array>
#include <cstdint>

#include "quipu/decimal.h"
#include "sketch/exact_sum.h"

namespace quipu {

/// Lowest word first.
using WideWords = std::array<std::uint64_t, 3>;

WideWords ToWords(const ExactSum& sum);
WideWords ToWords(Int128 v);

/// True if 10^n, n in 0..18, divides v.
bool IsMultipleOfPower(const WideWords& v, int n);
/// v / 10^n, which must divide it.
WideWords DividedByPower(const WideWords& v, int n);
/// v x 10^n into `out`; false if that does not fit.
bool MultiplyByPower(const WideWords& v, int n, WideWords* out);
/// How many words hold v when the last one is sign-extended: 1..3.
int WordsNeeded(const WideWords& v);
/// False if v does not fit 128 bits.
bool ToInt128(const WideWords& v, Int128* out);

}  // namespace quipu
