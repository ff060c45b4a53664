// LiveSegment: a segment file that is in use. Its SegmentPtr is shared by views; when the last one is gone, a segment that the
// manifest has dropped is unlinked. It needs nothing of the Store, which a view may outlive.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "base/vfs.h"
#include "quipu/options.h"
#include "segment/segment.h"
#include "store/store.h"

namespace quipu {

struct Store::LiveSegment {
  LiveSegment(std::shared_ptr<SegmentReader> opened, Vfs* file_system,
              std::shared_ptr<PageCache> pages,
              std::function<void(LogLevel, const std::string&)> logger)
      : reader(std::move(opened)),
        vfs(file_system),
        cache(std::move(pages)),
        log(std::move(logger)) {}
  ~LiveSegment();
  LiveSegment(const LiveSegment&) = delete;
  LiveSegment& operator=(const LiveSegment&) = delete;

  std::shared_ptr<SegmentReader> reader;
  Vfs* vfs;
  std::shared_ptr<PageCache> cache;
  std::function<void(LogLevel, const std::string&)> log;
  std::atomic<bool> is_retired{false};  // the manifest no longer has it
};

}  // namespace quipu
