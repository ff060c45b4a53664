#include "codec/kernels.h"

#include <array>

namespace quipu {

namespace portable {
extern const KernelTable kTable;
}
#ifdef QUIPU_X86_KERNELS
namespace x86_64_v2 {
extern const KernelTable kTable;
}
namespace x86_64_v3 {
extern const KernelTable kTable;
}
namespace x86_64_v4 {
extern const KernelTable kTable;
}
#endif

namespace {

struct Supported {
  std::array<const KernelTable*, 4> tables = {};
  std::size_t count = 0;
  void Add(const KernelTable& table) { tables[count++] = &table; }
};

Supported FindSupported() {
  Supported found;
  found.Add(portable::kTable);
#ifdef QUIPU_X86_KERNELS
  // The features of each level that kernels use; a system that does not save the registers of one
  // is reported as lacking it.
  __builtin_cpu_init();
  const bool v2 = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
  const bool v3 = v2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
                  __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  if (v2) found.Add(x86_64_v2::kTable);
  if (v3) found.Add(x86_64_v3::kTable);
  if (v4) found.Add(x86_64_v4::kTable);
#endif
  return found;
}

const Supported& AllSupported() {
  static const Supported found = FindSupported();
  return found;
}

}  // namespace

const KernelTable& Kernels() {
  static const KernelTable& best = *AllSupported().tables[AllSupported().count - 1];
  return best;
}

std::span<const KernelTable* const> SupportedKernels() {
  return std::span(AllSupported().tables).first(AllSupported().count);
}

}  // namespace quipu
