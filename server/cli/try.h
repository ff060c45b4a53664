// Early return for Status and Result, as in the engine, whose headers the programs do not include.
#pragma once

#include "quipu/status.h"

#define SERVER_TRY(expr)                                                             \
  do {                                                                               \
    if (::quipu::Status server_try_ = (expr); !server_try_.ok()) return server_try_; \
  } while (false)

#define SERVER_CONCAT_INNER_(a, b) a##b
#define SERVER_CONCAT_(a, b) SERVER_CONCAT_INNER_(a, b)
#define SERVER_TRY_ASSIGN_(tmp, lhs, expr) \
  auto tmp = (expr);                       \
  if (!tmp) return tmp.error();            \
  lhs = *std::move(tmp)
/// `SERVER_TRY_ASSIGN(auto x, F());`: the value, or return with the error.
#define SERVER_TRY_ASSIGN(lhs, expr) \
  SERVER_TRY_ASSIGN_(SERVER_CONCAT_(server_result_, __COUNTER__), lhs, expr)
