// quipu/status.h
//
// How every call in Quipu reports success or failure: `Status` for calls that return nothing else and
// `Result<T>` for calls that return a value. No exception crosses the public API.
//
//   quipu::Result<quipu::Database> db = quipu::Database::Open("usage.quipu", {});
//   if (!db) {
//     std::cerr << db.error().ToString() << "\n";
//     return 1;
//   }
//   db->Seal();
//
// A message says what was wrong, where, and what to do about it: static text first, values last.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace quipu {

/// What kind of failure it was. The numbers are stable; they appear in exit paths and in the C ABI.
enum class StatusCode : std::uint8_t {
  kOk = 0,
  kInvalidArgument = 1,  ///< The caller's input is malformed; nothing was changed.
  kNotFound = 2,         ///< The named thing does not exist.
  kAlreadyExists = 3,    ///< The thing to be created exists, or a store is already open.
  kConflict = 4,    ///< The input contradicts what is stored (a fenced producer, a sequence gap).
  kOutOfRange = 5,  ///< A number does not fit: too many digits, a sum beyond 128 bits.
  kCorruption = 6,  ///< Stored bytes fail a checksum or a bound; the message names file and place.
  kIoError =
      7,  ///< The operating system refused; outcome of the call is unknown, retry with the same ids.
  kUnsupported = 8,  ///< A newer format, or a feature this build does not have.
  kExhausted = 9,    ///< A stated bound (memory, groups, queue, time) was reached.
  kCancelled = 10,   ///< The store was closed, or the caller asked to stop.
  kInternal = 11,    ///< A bug in Quipu that was noticed before it did harm.
};

/// The stable lower-case name of a code, e.g. "invalid argument".
std::string_view StatusCodeName(StatusCode code);

/// Success, or a code and a message. One pointer wide; success allocates nothing.
class [[nodiscard]] Status {
 public:
  Status() noexcept = default;  ///< Success.
  Status(StatusCode code, std::string message);

  static Status InvalidArgument(std::string m) {
    return {StatusCode::kInvalidArgument, std::move(m)};
  }
  static Status NotFound(std::string m) { return {StatusCode::kNotFound, std::move(m)}; }
  static Status AlreadyExists(std::string m) { return {StatusCode::kAlreadyExists, std::move(m)}; }
  static Status Conflict(std::string m) { return {StatusCode::kConflict, std::move(m)}; }
  static Status OutOfRange(std::string m) { return {StatusCode::kOutOfRange, std::move(m)}; }
  static Status Corruption(std::string m) { return {StatusCode::kCorruption, std::move(m)}; }
  static Status IoError(std::string m) { return {StatusCode::kIoError, std::move(m)}; }
  static Status Unsupported(std::string m) { return {StatusCode::kUnsupported, std::move(m)}; }
  static Status Exhausted(std::string m) { return {StatusCode::kExhausted, std::move(m)}; }
  static Status Cancelled(std::string m) { return {StatusCode::kCancelled, std::move(m)}; }
  static Status Internal(std::string m) { return {StatusCode::kInternal, std::move(m)}; }

  Status(const Status& other);
  Status& operator=(const Status& other);
  Status(Status&&) noexcept = default;
  Status& operator=(Status&&) noexcept = default;
  ~Status() = default;

  [[nodiscard]] bool ok() const noexcept { return rep_ == nullptr; }
  explicit operator bool() const noexcept { return ok(); }
  [[nodiscard]] StatusCode code() const noexcept { return ok() ? StatusCode::kOk : rep_->code; }
  [[nodiscard]] std::string_view message() const noexcept {
    return ok() ? std::string_view() : std::string_view(rep_->message);
  }
  /// "ok", or "corruption: segment 12: page 3 of column time: checksum mismatch".
  [[nodiscard]] std::string ToString() const;
  /// The same failure with "prefix: " put before its message, to say where it happened.
  [[nodiscard]] Status WithContext(std::string_view prefix) const;

 private:
  struct Rep {
    StatusCode code;
    std::string message;
  };
  std::unique_ptr<Rep> rep_;
};

/// A value or the Status that explains why there is none. Spelled like std::expected, but never throws:
/// dereferencing a Result without a value ends the process.
template <class T>
class [[nodiscard]] Result {
  static_assert(!std::is_same_v<T, Status>, "return a Status itself, not Result<Status>");
  static_assert(!std::is_reference_v<T>, "return a pointer instead of a reference");

 public:
  Result(T value) : has_(true) {
    new (&value_) T(std::move(value));
  }                                     // NOLINT(google-explicit-constructor)
  Result(Status error) : has_(false) {  // NOLINT(google-explicit-constructor)
    if (error.ok()) error = Status::Internal("a Result was made from an OK status");
    new (&error_) Status(std::move(error));
  }
  Result(Result&& other) noexcept(std::is_nothrow_move_constructible_v<T>) : has_(other.has_) {
    if (has_) {
      new (&value_) T(std::move(other.value_));
    } else {
      new (&error_) Status(std::move(other.error_));
    }
  }
  Result& operator=(Result&& other) noexcept(std::is_nothrow_move_constructible_v<T>) {
    if (this != &other) {
      this->~Result();
      new (this) Result(std::move(other));
    }
    return *this;
  }
  Result(const Result&) = delete;
  Result& operator=(const Result&) = delete;
  ~Result() {
    if (has_) {
      value_.~T();
    } else {
      error_.~Status();
    }
  }

  [[nodiscard]] bool has_value() const noexcept { return has_; }
  explicit operator bool() const noexcept { return has_; }
  T& operator*() & { return Checked(); }
  const T& operator*() const& { return const_cast<Result*>(this)->Checked(); }
  T&& operator*() && { return std::move(Checked()); }
  T* operator->() { return &Checked(); }
  const T* operator->() const { return &const_cast<Result*>(this)->Checked(); }
  /// The failure; an OK status when there is a value.
  [[nodiscard]] Status error() const { return has_ ? Status() : error_; }

 private:
  T& Checked() {
    if (!has_) __builtin_trap();
    return value_;
  }
  union {
    T value_;
    Status error_;
  };
  bool has_;
};

}  // namespace quipu
