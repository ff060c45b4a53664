// NameList: names by ordinal, appended by one writer and read by any thread without a lock.
//
// Chunk k holds 64 x 2^k names, so that a name never moves; a reader sees the size first and with it everything below.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace quipu {

class NameList {
 public:
  NameList() = default;
  ~NameList() { Clear(); }
  NameList(const NameList&) = delete;
  NameList& operator=(const NameList&) = delete;

  [[nodiscard]] std::uint32_t size() const { return size_.load(std::memory_order_acquire); }
  /// "" beyond the size.
  [[nodiscard]] std::string_view operator[](std::uint32_t i) const {
    if (i >= size()) return {};
    const Place place = PlaceOf(i);
    return chunks_[place.chunk].load(std::memory_order_relaxed)[place.index];
  }
  void Append(std::string_view name) {
    const std::uint32_t i = size_.load(std::memory_order_relaxed);
    const Place place = PlaceOf(i);
    std::string_view* chunk = chunks_[place.chunk].load(std::memory_order_relaxed);
    if (chunk == nullptr) {
      chunk = new std::string_view[std::size_t{kFirstChunk} << place.chunk];
      chunks_[place.chunk].store(chunk, std::memory_order_relaxed);
    }
    chunk[place.index] = Keep(name);
    size_.store(i + 1, std::memory_order_release);
  }
  /// No reader may be there.
  void Clear() {
    for (auto& chunk : chunks_) delete[] chunk.exchange(nullptr);
    text_.clear();
    left_ = 0;
    size_.store(0);
  }

 private:
  static constexpr std::uint32_t kFirstChunk = 64;
  static constexpr std::size_t kTextBlockBytes = 64u << 10;
  struct Place {
    std::size_t chunk, index;
  };
  static Place PlaceOf(std::uint32_t i) {
    const auto chunk = static_cast<std::size_t>(std::bit_width(i / kFirstChunk + 1) - 1);
    return {chunk, i - kFirstChunk * ((std::size_t{1} << chunk) - 1)};
  }
  std::string_view Keep(std::string_view name) {
    if (name.empty()) return {};
    if (name.size() > left_) {
      left_ = name.size() > kTextBlockBytes ? name.size() : kTextBlockBytes;
      text_.push_back(std::make_unique_for_overwrite<char[]>(left_));
      next_ = text_.back().get();
    }
    std::memcpy(next_, name.data(), name.size());
    const std::string_view kept(next_, name.size());
    next_ += name.size();
    left_ -= name.size();
    return kept;
  }

  std::array<std::atomic<std::string_view*>, 28> chunks_{};  // room for 2^32 names
  std::atomic<std::uint32_t> size_{0};
  std::vector<std::unique_ptr<char[]>> text_;
  char* next_ = nullptr;
  std::size_t left_ = 0;
};

}  // namespace quipu
