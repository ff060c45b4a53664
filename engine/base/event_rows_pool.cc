#include "base/event_rows_pool.h"

#include <algorithm>
#include <iterator>
#include <mutex>
#include <utility>
#include <vector>

namespace quipu {
namespace {

using Bundle = std::vector<std::unique_ptr<EventRows>>;

struct Common {
  std::mutex mutex;
  Bundle rows;
};

/// Never destroyed: threads may outlive static objects.
Common& CommonRows() {
  static Common* const common = new Common;
  return *common;
}

void Move(std::size_t count, Bundle* from, Bundle* to) {
  const auto first = from->end() - static_cast<std::ptrdiff_t>(count);
  std::move(first, from->end(), std::back_inserter(*to));
  from->erase(first, from->end());
}

/// Of one thread.
struct Mine {
  Bundle rows;
  ~Mine() { is_gone = true; }
  /// Objects of the thread that are destroyed after this one may still hold batches.
  static thread_local bool is_gone;
};
thread_local bool Mine::is_gone = false;

Bundle& MyRows() {
  static thread_local Mine mine;
  return mine.rows;
}

}  // namespace

std::unique_ptr<EventRows> EventRowsPool::Take() {
  if (Mine::is_gone) return std::make_unique<EventRows>();
  Bundle& mine = MyRows();
  if (mine.empty()) {
    Common& common = CommonRows();
    const std::lock_guard lock(common.mutex);
    Move(std::min(kBundle, common.rows.size()), &common.rows, &mine);
  }
  if (mine.empty()) return std::make_unique<EventRows>();
  std::unique_ptr<EventRows> rows = std::move(mine.back());
  mine.pop_back();
  return rows;
}

void EventRowsPool::GiveBack(std::unique_ptr<EventRows> rows) noexcept {
  if (rows == nullptr || Mine::is_gone || rows->held_bytes() > kPooledBytesMax) return;
  rows->Clear();
  Bundle& mine = MyRows();
  mine.push_back(std::move(rows));
  if (mine.size() < 2 * kBundle) return;
  Bundle surplus;
  Common& common = CommonRows();
  {
    const std::lock_guard lock(common.mutex);
    Move(kBundle, &mine, common.rows.size() < kPooledMax ? &common.rows : &surplus);
  }
}

}  // namespace quipu
