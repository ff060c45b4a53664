// Lazy: a value that is loaded at first use by whoever comes first, then kept. Unlike std::call_once it tries again after a failure, and
// finding it loaded costs one atomic read.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>

#include "base/check.h"

namespace quipu {

template <class T>
class Lazy {
 public:
  /// `load` returns Result<T>; it runs under a lock, so at most once at a time.
  template <class Load>
  Result<const T*> Get(Load load) {
    if (const T* ready = ready_.load(std::memory_order_acquire)) return ready;
    const std::lock_guard lock(mutex_);
    if (value_ == nullptr) {
      Result<T> loaded = load();
      if (!loaded) return loaded.error();
      value_ = std::make_unique<T>(*std::move(loaded));
      ready_.store(value_.get(), std::memory_order_release);
    }
    return static_cast<const T*>(value_.get());
  }
  /// The same for what cannot fail: `make` returns a unique_ptr<T>.
  template <class Make>
  const T& Ensure(Make make) {
    if (const T* ready = ready_.load(std::memory_order_acquire)) return *ready;
    const std::lock_guard lock(mutex_);
    if (value_ == nullptr) {
      value_ = make();
      ready_.store(value_.get(), std::memory_order_release);
    }
    return *value_;
  }
  /// As Ensure, but null instead of a wait while another thread is making it.
  template <class Make>
  const T* TryEnsure(Make make) {
    if (const T* ready = ready_.load(std::memory_order_acquire)) return ready;
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock()) return nullptr;
    if (value_ == nullptr) {
      value_ = make();
      ready_.store(value_.get(), std::memory_order_release);
    }
    return value_.get();
  }
  /// Null while not loaded.
  [[nodiscard]] const T* peek() const { return ready_.load(std::memory_order_acquire); }

 private:
  std::mutex mutex_;
  std::unique_ptr<T> value_;
  std::atomic<const T*> ready_{nullptr};
};

}  // namespace quipu
