// AskedView: what a question is answered from. The whole view, or the part of it that its `as_of` and `since` name (store/view_as_of.h).
#pragma once

#include <string>

#include "quipu/as_of.h"
#include "store/view.h"

namespace quipu {

class AskedView {
 public:
  /// Both may be empty (AsOf::IsNow). `view` must outlive it. The errors of FindState; kInvalidArgument if `since` is later than `as_of`.
  static Result<AskedView> Make(const View& view, const AsOf& as_of, const AsOf& since);

  [[nodiscard]] const View& view() const { return part_ ? *part_ : *whole_; }
  /// Events of a freeze that it names were erased, or deleted by a policy.
  [[nodiscard]] bool is_altered() const { return is_altered_; }
  /// For an explanation; "" if all is asked.
  [[nodiscard]] std::string left_out() const;

 private:
  const View* whole_ = nullptr;
  ViewPtr part_;  // null: the whole
  AsOf as_of_, since_;
  std::uint64_t since_seq_ = 0;
  bool is_altered_ = false;
};

}  // namespace quipu
