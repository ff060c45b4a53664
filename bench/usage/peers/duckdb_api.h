// The part of DuckDB's C API that the benchmark uses, declared here so that no header of DuckDB is needed.
#pragma once

#include <cstdint>
#include <string>

#include "usage/peers/library.h"

namespace quipu::usage::duckdb {

using Handle = void*;  // database, connection, appender, chunk, vector, type, config
using State = int;     // 0 = success

/// The layout of `duckdb_result`; only its size matters here.
struct QueryResult {
  std::uint64_t counts[3] = {};
  void* columns = nullptr;
  char* error = nullptr;
  void* internal = nullptr;
};

enum Type : int { kInteger = 4, kTimestamp = 12, kVarchar = 17, kUuid = 27 };

struct HugeInt {
  std::uint64_t lower;
  std::int64_t upper;
};

struct Api {
  const char* (*library_version)();
  State (*create_config)(Handle*);
  State (*set_config)(Handle, const char*, const char*);
  State (*open_ext)(const char*, Handle*, Handle, char**);
  void (*close)(Handle*);
  State (*connect)(Handle, Handle*);
  void (*disconnect)(Handle*);
  State (*query)(Handle, const char*, QueryResult*);
  const char* (*result_error)(QueryResult*);
  void (*destroy_result)(QueryResult*);
  std::uint64_t (*row_count)(QueryResult*);
  std::uint64_t (*column_count)(QueryResult*);
  char* (*value_varchar)(QueryResult*, std::uint64_t column, std::uint64_t row);
  void (*free)(void*);
  State (*appender_create)(Handle, const char* schema, const char* table, Handle*);
  const char* (*appender_error)(Handle);
  State (*append_data_chunk)(Handle, Handle);
  State (*appender_destroy)(Handle*);
  Handle (*create_logical_type)(int);
  Handle (*create_decimal_type)(std::uint8_t width, std::uint8_t scale);
  Handle (*create_data_chunk)(Handle*, std::uint64_t);
  void (*destroy_data_chunk)(Handle*);
  void (*data_chunk_reset)(Handle);
  void (*data_chunk_set_size)(Handle, std::uint64_t);
  Handle (*data_chunk_get_vector)(Handle, std::uint64_t);
  void* (*vector_get_data)(Handle);
  void (*vector_assign_string)(Handle, std::uint64_t, const char*, std::uint64_t);
};

inline Status BindAll(Library* library, Api* api) {
  const auto bind = [&](const char* name, auto** function) {
    library->Bind((std::string("duckdb_") + name).c_str(), function);
  };
  bind("library_version", &api->library_version);
  bind("create_config", &api->create_config);
  bind("set_config", &api->set_config);
  bind("open_ext", &api->open_ext);
  bind("close", &api->close);
  bind("connect", &api->connect);
  bind("disconnect", &api->disconnect);
  bind("query", &api->query);
  bind("result_error", &api->result_error);
  bind("destroy_result", &api->destroy_result);
  bind("row_count", &api->row_count);
  bind("column_count", &api->column_count);
  bind("value_varchar", &api->value_varchar);
  bind("free", &api->free);
  bind("appender_create", &api->appender_create);
  bind("appender_error", &api->appender_error);
  bind("append_data_chunk", &api->append_data_chunk);
  bind("appender_destroy", &api->appender_destroy);
  bind("create_logical_type", &api->create_logical_type);
  bind("create_decimal_type", &api->create_decimal_type);
  bind("create_data_chunk", &api->create_data_chunk);
  bind("destroy_data_chunk", &api->destroy_data_chunk);
  bind("data_chunk_reset", &api->data_chunk_reset);
  bind("data_chunk_set_size", &api->data_chunk_set_size);
  bind("data_chunk_get_vector", &api->data_chunk_get_vector);
  bind("vector_get_data", &api->vector_get_data);
  bind("vector_assign_string_element_len", &api->vector_assign_string);
  return library->Complete();
}

}  // namespace quipu::usage::duckdb
