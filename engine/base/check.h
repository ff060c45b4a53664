// Three kinds of wrong, three answers. Our bug: QUIPU_CHECK (always on; it guards the disk) or QUIPU_DCHECK (debug builds).
// The world's failure (I/O, the caller's input): a Status. Untrusted bytes: kCorruption, never an assert.
#pragma once

#include "quipu/status.h"

namespace quipu {

/// Prints the expression and its place to stderr and aborts.
[[noreturn]] void CheckFailed(const char* expression, const char* file, int line);

}  // namespace quipu

#define QUIPU_CHECK(expr)                                                         \
  (__builtin_expect(!(expr), 0) ? ::quipu::CheckFailed(#expr, __FILE__, __LINE__) \
                                : static_cast<void>(0))
#ifdef NDEBUG
#define QUIPU_DCHECK(expr) static_cast<void>(sizeof(!(expr)))
#else
#define QUIPU_DCHECK(expr) QUIPU_CHECK(expr)
#endif

#define QUIPU_CONCAT_INNER_(a, b) a##b
#define QUIPU_CONCAT_(a, b) QUIPU_CONCAT_INNER_(a, b)

/// Returns from the enclosing function with the error of `expr`, a Status.
#define QUIPU_TRY(expr)                                                           \
  do {                                                                            \
    if (::quipu::Status quipu_try_ = (expr); !quipu_try_.ok()) return quipu_try_; \
  } while (false)

#define QUIPU_TRY_ASSIGN_(tmp, lhs, expr) \
  auto tmp = (expr);                      \
  if (!tmp) return tmp.error();           \
  lhs = *std::move(tmp)
/// `QUIPU_TRY_ASSIGN(auto file, vfs.Open(...));`: the value, or return with the error.
#define QUIPU_TRY_ASSIGN(lhs, expr) \
  QUIPU_TRY_ASSIGN_(QUIPU_CONCAT_(quipu_result_, __COUNTER__), lhs, expr)
