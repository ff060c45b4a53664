#include "import/parallel_parse.h"

#include <chrono>
#include <utility>

namespace quipu::import {
namespace {

using SteadyClock = std::chrono::steady_clock;

double SecondsSince(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

/// One block at each parser, one before and one behind it.
constexpr std::size_t kSlotsPerParser = 3;

}  // namespace

StageTimes& StageTimes::operator+=(const StageTimes& more) {
  read_s += more.read_s;
  parse_s += more.parse_s;
  return *this;
}

ParallelParse::ParallelParse(BlockReader* reader, const ParseRules* rules,
                             const RecordParser& parser, std::size_t parsers)
    : reader_(reader), rules_(rules), slots_(kSlotsPerParser * parsers) {
  threads_.emplace_back([this] { Read(); });
  for (std::size_t i = 0; i < parsers; ++i) {
    // std::thread must be able to copy what it runs, so the parser is handed over as an argument.
    threads_.emplace_back([this](std::unique_ptr<RecordParser> own) { Parse(std::move(own)); },
                          parser.Clone());
  }
}

ParallelParse::~ParallelParse() {
  Stop();
  static_cast<void>(Join());
}

void ParallelParse::Stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
}

StageTimes ParallelParse::Join() {
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  return times_;
}

void ParallelParse::Read() {
  double busy_s = 0;
  std::unique_lock lock(mutex_);
  while (!reading_ended_) {
    Slot& slot = SlotOf(read_);
    changed_.wait(lock, [&] { return stopped_ || slot.state == State::kFree; });
    if (stopped_) break;
    lock.unlock();
    const auto start = SteadyClock::now();
    reader_->Next(&slot.block);
    busy_s += SecondsSince(start);
    lock.lock();
    slot.state = State::kRead;
    ++read_;
    reading_ended_ = slot.block.last || !slot.block.status.ok();
    changed_.notify_all();
  }
  times_.read_s += busy_s;
}

void ParallelParse::Parse(std::unique_ptr<RecordParser> parser) {
  double busy_s = 0;
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stopped_ || next_to_parse_ < read_ || reading_ended_; });
    if (stopped_ || next_to_parse_ == read_) break;
    Slot& slot = SlotOf(next_to_parse_++);
    lock.unlock();
    const auto start = SteadyClock::now();
    slot.parsed = ParseBlock(slot.block, *rules_, parser.get());
    busy_s += SecondsSince(start);
    lock.lock();
    slot.state = State::kParsed;
    changed_.notify_all();
  }
  times_.parse_s += busy_s;
}

ParallelParse::Turn ParallelParse::Take(ParsedBlock* out) {
  constexpr std::chrono::milliseconds kPatience(100);
  std::unique_lock lock(mutex_);
  if (reading_ended_ && taken_ == read_) return Turn::kEnd;
  Slot& slot = SlotOf(taken_);
  if (!changed_.wait_for(lock, kPatience, [&] { return slot.state == State::kParsed; })) {
    return Turn::kNotYet;
  }
  *out = std::exchange(slot.parsed, {});
  slot.state = State::kFree;
  ++taken_;
  changed_.notify_all();
  return Turn::kTaken;
}

}  // namespace quipu::import
