// Bytes in and out of memory, little endian. ByteWriter appends to a std::string; ByteReader walks untrusted bytes and turns
// every overrun into kCorruption: a reader that has failed once keeps failing and returns zeros, so a parser may read a whole
// record and check `status()` once at the end.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "quipu/decimal.h"
#include "quipu/status.h"

namespace quipu {

static_assert(std::endian::native == std::endian::little,
              "Quipu's formats are little endian; big-endian hosts need swaps");

using Bytes = std::span<const std::uint8_t>;

inline Bytes AsBytes(std::string_view s) {
  return {reinterpret_cast<const std::uint8_t*>(s.data()), s.size()};
}
inline std::string_view AsText(Bytes b) {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}

/// Loads a trivially copyable value from unaligned memory.
template <class T>
T LoadLe(const void* p) {
  static_assert(std::is_trivially_copyable_v<T>);
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

/// Maps signed to unsigned so that small magnitudes stay small: 0,-1,1,-2 -> 0,1,2,3.
constexpr std::uint64_t ZigZag(std::int64_t v) {
  return (static_cast<std::uint64_t>(v) << 1) ^ static_cast<std::uint64_t>(v >> 63);
}
constexpr std::int64_t UnZigZag(std::uint64_t v) {
  return static_cast<std::int64_t>(v >> 1) ^ -static_cast<std::int64_t>(v & 1);
}

class ByteWriter {
 public:
  explicit ByteWriter(std::string* out) : out_(out) {}
  [[nodiscard]] std::size_t size() const { return out_->size(); }
  void U8(std::uint8_t v) { out_->push_back(static_cast<char>(v)); }
  void U16(std::uint16_t v) { Raw(&v, sizeof v); }
  void U32(std::uint32_t v) { Raw(&v, sizeof v); }
  void U64(std::uint64_t v) { Raw(&v, sizeof v); }
  void I64(std::int64_t v) { Raw(&v, sizeof v); }
  void I128(Int128 v) { Raw(&v, sizeof v); }
  void U128(Uint128 v) { Raw(&v, sizeof v); }
  void Varint(std::uint64_t v);  ///< LEB128, 1..10 bytes.
  void Varint128(Uint128 v);     ///< LEB128, 1..19 bytes.
  void Text(std::string_view s) {
    Varint(s.size());
    Raw(s.data(), s.size());
  }  ///< Varint length, then bytes.
  void Raw(const void* p, std::size_t n) { out_->append(static_cast<const char*>(p), n); }
  /// Zero bytes up to a multiple of `alignment`.
  void Pad(std::size_t alignment);

 private:
  std::string* out_;
};

class ByteReader {
 public:
  explicit ByteReader(Bytes in) : p_(in.data()), end_(in.data() + in.size()) {}
  [[nodiscard]] std::size_t remaining() const { return static_cast<std::size_t>(end_ - p_); }
  [[nodiscard]] bool ok() const { return !failed_; }
  /// kCorruption "<what>: ends too early" after an overrun, else OK.
  [[nodiscard]] Status status(std::string_view what) const;
  std::uint8_t U8() { return Fixed<std::uint8_t>(); }
  std::uint16_t U16() { return Fixed<std::uint16_t>(); }
  std::uint32_t U32() { return Fixed<std::uint32_t>(); }
  std::uint64_t U64() { return Fixed<std::uint64_t>(); }
  std::int64_t I64() { return Fixed<std::int64_t>(); }
  Int128 I128() { return Fixed<Int128>(); }
  Uint128 U128() { return Fixed<Uint128>(); }
  std::uint64_t Varint();
  Uint128 Varint128();
  std::string_view Text();
  Bytes Raw(std::size_t n);
  void Fail() {
    failed_ = true;
    p_ = end_;
  }

 private:
  template <class T>
  T Fixed() {
    if (remaining() < sizeof(T)) {
      Fail();
      return T{};
    }
    T v = LoadLe<T>(p_);
    p_ += sizeof(T);
    return v;
  }
  const std::uint8_t* p_;
  const std::uint8_t* end_;
  bool failed_ = false;
};

}  // namespace quipu
